import type { PromptSummary } from "../pick/index.ts";
import type { PromptIdentity } from "../prompt/index.ts";

/** A prompt as placement looks at it. */
export function promptSummaryOf(prompt: PromptIdentity): PromptSummary {
  const { keys, chunkTokens, promptTokens, isExact, endMark, session } = prompt;
  return {
    keys,
    // The last key of a text stands for its end, in the middle of a chunk that the next turn fills.
    chunks: isExact ? keys.length : Math.max(0, keys.length - 1),
    chunkTokens,
    promptTokens,
    isExact,
    endMark,
    sessionId: session.id,
    parentId: session.parentId,
  };
}
