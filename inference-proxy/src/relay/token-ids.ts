import type { ApiRequest } from "./read-request.ts";

/**
 * Members with which an engine does not read its prefix cache, or reads another prompt than the one
 * written.
 */
const unforeseen = [
  "prompt_logprobs",
  "prompt_embeds",
  "truncate_prompt_tokens",
  "skip_reading_prefix_cache",
] as const;

/**
 * The token ids of a completion's single prompt; undefined where it has none, or where what the
 * engine takes from its cache does not follow from them.
 */
export function tokenIdsOf({ operation, parsed }: ApiRequest): readonly number[] | undefined {
  if (operation !== "text_completion") return undefined;
  const prompt: unknown = parsed["prompt"];
  if (!Array.isArray(prompt) || prompt.length === 0) return undefined;
  // Several answers report the cached tokens of one of them, and echoed log probabilities need
  // every prompt token computed.
  const isSingle = (parsed["n"] ?? 1) === 1 && (parsed["best_of"] ?? 1) === 1;
  const isEchoed = parsed["echo"] === true && typeof parsed["logprobs"] === "number";
  if (!isSingle || isEchoed || unforeseen.some((name) => isSet(parsed[name]))) return undefined;
  return prompt.every((id) => typeof id === "number") ? prompt : undefined;
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null && value !== false;
}
