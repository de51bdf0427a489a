import { replicaLimits } from "../config.ts";
import { tokenIdsOf, vocabularySize } from "../tokenizer.ts";
import type { CompletionRequest, JsonObject } from "../types.ts";
import type { Call } from "./call.ts";
import { badRequest, schemaFault } from "./errors.ts";
import { samplingFrom } from "./read-sampling.ts";

/** Checks a completion request. */
export function completionRequestFrom(body: JsonObject, call: Call): CompletionRequest {
  const sampling = samplingFrom(body, call);
  if (typeof body["suffix"] === "string") throw badRequest("suffix is not currently supported");
  const prompts = promptsFrom(body["prompt"]);
  if (prompts.length === 0 || prompts.some((prompt) => prompt.tokens.length === 0)) {
    const message = "Either prompt or prompt_embeds must be provided and non-empty.";
    throw badRequest(`${message} (parameter=prompt)`, "prompt");
  }
  if (prompts.length > replicaLimits.promptsMax) {
    throw badRequest(`at most ${replicaLimits.promptsMax} prompts are supported`, "prompt");
  }
  return { ...sampling, prompts };
}

function promptsFrom(value: unknown): { tokens: readonly number[]; text: string }[] {
  if (typeof value === "string") return [{ tokens: tokenIdsOf(value), text: value }];
  if (!Array.isArray(value) || value.length === 0) return [];
  if (value.every((item) => typeof item === "number")) return [tokenPrompt(value)];
  const stranger = value.find((item) => typeof item !== "string" && !Array.isArray(item));
  if (stranger !== undefined) {
    const msg = "Input should be a valid string";
    const loc = "body.prompt.list[str]";
    throw schemaFault({ type: "string_type", loc, msg, input: String(stranger) });
  }
  return value.flatMap((item: unknown) => promptsFrom(item));
}

/** A prompt that came as token ids. */
export function tokenPrompt(tokens: readonly number[]): {
  tokens: readonly number[];
  text: string;
} {
  const fraction = tokens.findIndex((token) => !Number.isInteger(token));
  if (fraction !== -1) {
    throw schemaFault({
      type: "int_from_float",
      loc: `body.prompt.list[int].${fraction}`,
      msg: "Input should be a valid integer, got a number with a fractional part",
      input: String(tokens[fraction]),
    });
  }
  const stranger = tokens.find((token) => token < 0 || token >= vocabularySize);
  if (stranger !== undefined) throw badRequest(`Token id ${stranger} is out of vocabulary`);
  return { tokens, text: "" };
}
