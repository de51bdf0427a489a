import { replicaLimits } from "../config.ts";
import type { HttpReply } from "../http/types.ts";
import { piecesOf, tokenId } from "../tokenizer.ts";
import { type Call, json } from "./call.ts";
import { badRequest } from "./errors.ts";
import { readBody } from "./read-body.ts";
import { modelFrom } from "./read-sampling.ts";

/** Length of every vector. */
export const embeddingDimensions = 256;

/**
 * `POST /v1/embeddings`: vectors of counted words, so that texts that share words are near each
 * other.
 */
export function answerEmbeddings(call: Call): HttpReply {
  const { context } = call;
  const body = readBody(call.http);
  const model = modelFrom(body, call);
  const texts = textsFrom(body["input"]);
  if (texts.length === 0) throw badRequest("input must be provided and non-empty.", "input");
  if (texts.length > replicaLimits.promptsMax) {
    throw badRequest(`at most ${replicaLimits.promptsMax} inputs are supported`, "input");
  }
  const asBase64 = body["encoding_format"] === "base64";
  const promptTokens = texts.reduce((sum, text) => sum + piecesOf(text).length, 0);
  const answer = {
    id: `embd-${context.newHexId()}`,
    object: "list",
    created: Math.floor(context.clock.nowMs() / 1000),
    model,
    data: texts.map((text, index) => {
      const vector = embed(text);
      const embedding = asBase64 ? Buffer.from(vector.buffer).toString("base64") : [...vector];
      return { index, object: "embedding", embedding };
    }),
    usage: {
      prompt_tokens: promptTokens,
      total_tokens: promptTokens,
      completion_tokens: 0,
      prompt_tokens_details: null,
    },
    simulated: true,
  };
  return json(call, answer);
}

/**
 * Hashed bag of words: each stem adds to one coordinate, rare long words a little more; unit
 * length.
 */
export function embed(text: string): Float32Array {
  const vector = new Float32Array(embeddingDimensions);
  for (const word of text.toLowerCase().match(/[\p{L}\p{N}]{2,}/gu) ?? []) {
    const stem = word.replace(/(?:ings?|ers?|ed|es|s)$/, "");
    const hash = tokenId(`embedding ${stem}`);
    const at = hash % embeddingDimensions;
    // Half of all words subtract, so that collisions cancel as often as they add.
    const sign = (hash >> 8) % 2 === 0 ? 1 : -1;
    vector[at] = (vector[at] ?? 0) + sign * Math.log2(2 + stem.length);
  }
  const length = Math.hypot(...vector);
  // A text without words still needs a direction; the first axis is as good as any.
  if (length === 0) vector[0] = 1;
  else for (const [at, value] of vector.entries()) vector[at] = value / length;
  return vector;
}

function textsFrom(input: unknown): readonly string[] {
  if (typeof input === "string") return input === "" ? [] : [input];
  if (!Array.isArray(input)) return [];
  if (input.length > 0 && input.every((item) => typeof item === "number")) return [input.join(" ")];
  return input.flatMap((item: unknown) => textsFrom(item));
}
