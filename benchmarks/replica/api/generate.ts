import { seededRandom } from "@warmpath/runtime/base";
import { proseOf } from "../script/compose-answer.ts";
import { piecesOf, tokenId } from "../tokenizer.ts";
import type { Reply, SamplingRequest } from "../types.ts";
import { answerText } from "./chat-template.ts";

/** What ends an answer. */
export type StopRules = Pick<SamplingRequest, "maxTokens" | "stop" | "ignoreEos">;

/** An answer cut into tokens, before any time has passed. */
export interface Generated {
  /** Text of each token; the end-of-sequence token is an empty one. */
  readonly pieces: readonly string[];
  readonly tokens: readonly number[];
  readonly finishReason: "stop" | "length";
  /** The stop text that ended it, if one did. */
  readonly stopReason: string | null;
}

/** Applies stop texts and the token limit to a reply, as a sampler would while generating it. */
export function generate(reply: Reply, request: StopRules, roomTokens: number): Generated {
  const limit = Math.min(request.maxTokens ?? roomTokens, roomTokens);
  const whole = answerText(reply.text, reply.calls);
  const { text, stopReason } = cutAtStop(whole, request.stop);
  const pieces = [...piecesOf(text)];
  if (stopReason === null && request.ignoreEos && request.maxTokens !== undefined) {
    padTo(pieces, limit);
  }
  const endsByItself = request.ignoreEos && stopReason === null ? 0 : 1;
  if (pieces.length + endsByItself <= limit && endsByItself === 1) {
    // A stop text ends the answer inside its own tokens; otherwise the model says that it has
    // finished.
    if (stopReason === null || pieces.length === 0) pieces.push("");
    return finish(pieces, "stop", stopReason);
  }
  return finish(pieces.slice(0, limit), "length", null);
}

function finish(
  pieces: readonly string[],
  finishReason: "stop" | "length",
  stopReason: string | null,
): Generated {
  return { pieces, tokens: pieces.map(tokenId), finishReason, stopReason };
}

function cutAtStop(
  text: string,
  stops: readonly string[],
): { text: string; stopReason: string | null } {
  let end = text.length;
  let stopReason: string | null = null;
  for (const stop of stops) {
    const found = text.indexOf(stop);
    if (found !== -1 && found < end) {
      end = found;
      stopReason = stop;
    }
  }
  return { text: text.slice(0, end), stopReason };
}

/**
 * A model told to ignore its end goes on; load tests rely on getting exactly as many tokens as they
 * asked for.
 */
function padTo(pieces: string[], count: number): void {
  const filler = piecesOf(` ${proseOf(100, seededRandom("filler"))}`);
  for (let index = 0; pieces.length < count; index++) {
    pieces.push(filler[index % filler.length] ?? " on");
  }
}
