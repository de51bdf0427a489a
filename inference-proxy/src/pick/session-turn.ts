import type { SessionTurn } from "../sessions/index.ts";
import type { PromptSummary } from "./types.ts";

/** Sessions are accounted in chunks of at least so many tokens: finer ones only cost time. */
const gateChunkTokensMin = 64;

/** A prompt as the gate of sessions looks at it. */
export function turnOf({
  keys,
  chunks,
  chunkTokens,
  sessionId,
  parentId,
}: PromptSummary): SessionTurn {
  const stride = Math.max(1, Math.ceil(gateChunkTokensMin / Math.max(1, chunkTokens)));
  return {
    sessionId,
    parentId,
    keys: stride === 1 ? keys : everyNth(keys, chunks, stride),
    chunks: Math.floor(chunks / stride),
    chunkTokens: chunkTokens * stride,
  };
}

/** Keys are chained: the last of a group stands for all of it. */
function everyNth(keys: ArrayLike<number>, count: number, stride: number): Float64Array {
  const some = new Float64Array(Math.floor(count / stride));
  for (let index = 0; index < some.length; index += 1) {
    some[index] = keys[(index + 1) * stride - 1]!;
  }
  return some;
}
