import { canTake } from "./eligible.ts";

/*
 * One prefix that everybody shares, such as a long system prompt, is cheap where it is cached and
 * dear everywhere else: by the cost of each request alone everybody follows it to one replica,
 * which fills while others idle. Each of those would rather be slow there than be the one who
 * computes the prefix elsewhere, and none of them counts what that would save the next.
 */

/** The most that a replica may have of the mean before its cache draws no more strangers. */
const hotShare = 1.3;
/** So many requests more do not slow a replica down: batches of few tokens cost what one costs. */
export const slackRequests = 8;

/** Requests beyond which a replica is hot, given those of all that serve the model. */
export function hotLimitOf(requests: Int32Array, lasting: Uint8Array): number {
  let sum = 0;
  let count = 0;
  for (let replica = 0; replica < requests.length; replica += 1) {
    if (lasting[replica] === canTake) {
      sum += requests[replica]!;
      count += 1;
    }
  }
  return slackRequests + (hotShare * sum) / Math.max(1, count);
}

/**
 * Writes the depths of a prompt as they are to count: a hot replica holds no more than the deepest
 * of the others that serve the model, so that it is chosen for what it is, not for what it has.
 */
export function levelDepths(
  depths: Int32Array,
  by: { readonly requests: Int32Array; readonly lasting: Uint8Array; readonly hotLimit: number },
  into: Int32Array,
): void {
  const { requests, lasting, hotLimit } = by;
  let level = 0;
  for (let replica = 0; replica < depths.length; replica += 1) {
    if (lasting[replica] === canTake && requests[replica]! <= hotLimit) {
      level = Math.max(level, depths[replica]!);
    }
  }
  for (let replica = 0; replica < depths.length; replica += 1) {
    const depth = depths[replica]!;
    into[replica] = requests[replica]! > hotLimit ? Math.min(depth, level) : depth;
  }
}
