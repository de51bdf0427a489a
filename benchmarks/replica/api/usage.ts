/** Token counts of one request. */
export interface Counts {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
  readonly blockTokens: number;
  /** Whether cached tokens are said at all. */
  readonly hasDetails: boolean;
}

/** `usage` of a whole answer. Completions, unlike chat, do not count the blocks they created. */
export function wholeUsage(counts: Counts, api: "chat" | "completion"): object {
  return {
    ...totals(counts),
    prompt_tokens_details: counts.hasDetails
      ? {
          cached_tokens: counts.cachedTokens,
          created_cache_tokens: api === "chat" ? createdTokens(counts) : null,
          multimodal_tokens: null,
        }
      : null,
    completion_tokens_details: null,
  };
}

/** `usage` of a stream's last chunk. */
export function finalChunkUsage(counts: Counts, api: "chat" | "completion"): object {
  const created = api === "chat" ? { created_cache_tokens: createdTokens(counts) } : {};
  if (!counts.hasDetails) return { ...totals(counts), completion_tokens_details: null };
  return {
    ...totals(counts),
    prompt_tokens_details: { cached_tokens: counts.cachedTokens, ...created },
  };
}

/** `usage` of every other chunk when continuous usage was asked for: without cached tokens. */
export function runningUsage(counts: Counts): object {
  return { ...totals(counts), completion_tokens_details: null };
}

function totals({ promptTokens, completionTokens }: Counts): object {
  return {
    prompt_tokens: promptTokens,
    total_tokens: promptTokens + completionTokens,
    completion_tokens: completionTokens,
  };
}

function createdTokens({ promptTokens, cachedTokens, blockTokens }: Counts): number {
  return Math.max(0, Math.floor(promptTokens / blockTokens) * blockTokens - cachedTokens);
}
