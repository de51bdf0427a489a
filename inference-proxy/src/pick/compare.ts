import type { Endpoint, RequestSummary } from "./types.ts";

/**
 * Negative when `a` is the better place. In this order: fewer requests of ours in flight, fewer in
 * the engine by its own last word, a warm prefix. A warm prefix only decides between equals, so it
 * never piles requests up.
 */
export function compareEndpoints(
  request: RequestSummary,
  a: Endpoint,
  b: Endpoint,
  inFlightDifference: number,
): number {
  if (inFlightDifference !== 0) {
    return inFlightDifference;
  }
  const engineDifference = engineLoad(a) - engineLoad(b);
  if (engineDifference !== 0) {
    return engineDifference;
  }
  return (a.name === request.warmOn ? 0 : 1) - (b.name === request.warmOn ? 0 : 1);
}

/** A silent engine counts as idle: our own count has already spoken for it. */
export function engineLoad(endpoint: Endpoint): number {
  return (endpoint.engineRunning ?? 0) + (endpoint.engineWaiting ?? 0);
}
