import { endOfValue, keyBytes, lastValue, searchable } from "./json-scan.ts";

/** Tokens of one call as the engine reported or, for a cut stream, as we counted them. */
export interface TokenUsage {
  /** Prompt tokens, the cached ones included. */
  readonly inputTokens: number;
  readonly cachedInputTokens: number;
  /** Prompt tokens that were written to a cache at a price of its own: Anthropic says so. */
  readonly cacheWriteTokens: number;
  readonly outputTokens: number;
  readonly reasoningTokens: number;
}

/** Nothing was used. */
export const noUsage: TokenUsage = {
  inputTokens: 0,
  cachedInputTokens: 0,
  cacheWriteTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
};

const usageKey = keyBytes("usage");
const openBrace = 0x7b;

/**
 * The text of the last usage object in a chunk or an answer; undefined when there is none, or it is
 * null.
 */
export function usageText(answer: Uint8Array): string | undefined {
  const bytes = searchable(answer);
  const at = lastValue(bytes, usageKey);
  return at >= 0 && bytes[at] === openBrace
    ? bytes.toString("utf8", at, endOfValue(bytes, at))
    : undefined;
}

/**
 * Reads a usage object of any API served: OpenAI's of chat, completions and embeddings, its other
 * one of responses, and Anthropic's, whose `input_tokens` leave the cached ones out. Undefined when
 * it is none of them.
 */
export function parseUsage(text: string): TokenUsage | undefined {
  let usage: unknown;
  try {
    usage = JSON.parse(text);
  } catch {
    // Not JSON: then there is no usage to be had, and the answer itself is not ours to judge.
    return undefined;
  }
  const inputTokens = countAt(usage, "prompt_tokens");
  if (inputTokens === undefined) {
    return parseNamedUsage(usage);
  }
  return {
    inputTokens,
    cachedInputTokens: countAt(usage, "prompt_tokens_details", "cached_tokens") ?? 0,
    cacheWriteTokens: countAt(usage, "prompt_tokens_details", "cache_write_tokens") ?? 0,
    outputTokens: countAt(usage, "completion_tokens") ?? 0,
    reasoningTokens: countAt(usage, "completion_tokens_details", "reasoning_tokens") ?? 0,
  };
}

/** True where it says what of the prompt was cached, in OpenAI's words or in Anthropic's. */
export function tellsCached(text: string): boolean {
  return text.includes("cached_tokens") || text.includes("cache_read_input_tokens");
}

/** Usage of messages and responses: the members of one are absent from the other. */
function parseNamedUsage(usage: unknown): TokenUsage | undefined {
  const inputTokens = countAt(usage, "input_tokens");
  if (inputTokens === undefined) {
    return undefined;
  }
  const read = countAt(usage, "cache_read_input_tokens") ?? 0;
  const written = countAt(usage, "cache_creation_input_tokens") ?? 0;
  return {
    inputTokens: inputTokens + read + written,
    cachedInputTokens: countAt(usage, "input_tokens_details", "cached_tokens") ?? read,
    cacheWriteTokens: written,
    outputTokens: countAt(usage, "output_tokens") ?? 0,
    reasoningTokens:
      countAt(usage, "output_tokens_details", "reasoning_tokens") ??
      countAt(usage, "output_tokens_details", "thinking_tokens") ??
      0,
  };
}

function countAt(value: unknown, key: string, within?: string): number | undefined {
  const at = within === undefined ? memberOf(value, key) : memberOf(memberOf(value, key), within);
  return typeof at === "number" && Number.isSafeInteger(at) && at >= 0 ? at : undefined;
}

function memberOf(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, key)
    ? // Object.hasOwn has just said that the key is there.
      (value as Record<string, unknown>)[key]
    : undefined;
}
