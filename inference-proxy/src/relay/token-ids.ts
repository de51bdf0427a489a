import { readMember } from "../prompt/index.ts";
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
export function tokenIdsOf({ operation, scan }: ApiRequest): ArrayLike<number> | undefined {
  if (operation !== "text_completion" || scan.tokens === undefined) return undefined;
  const read = (name: string) => readMember(scan, name);
  // Several answers report the cached tokens of one of them, and echoed log probabilities need
  // every prompt token computed.
  const isSingle = (read("n") ?? 1) === 1 && (read("best_of") ?? 1) === 1;
  const isEchoed = read("echo") === true && typeof read("logprobs") === "number";
  return isSingle && !isEchoed && !unforeseen.some((name) => isSet(read(name)))
    ? scan.tokens
    : undefined;
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null && value !== false;
}
