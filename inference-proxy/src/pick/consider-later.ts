import { explainPick } from "./explain.ts";
import type { Candidate, Endpoint, Loads, RequestSummary } from "./types.ts";

/** Beyond so many endpoints a snapshot per decision costs more than the decision. */
const endpointsMax = 64;

/**
 * What {@link explainPick} would say now, to be asked later: takes a snapshot of the loads, one
 * number per endpoint. Undefined where there are too many endpoints.
 */
export function considerLater(
  endpoints: readonly Endpoint[],
  loads: Loads,
  request: RequestSummary,
  tie: number,
): (() => readonly Candidate[]) | undefined {
  if (endpoints.length > endpointsMax) {
    return undefined;
  }
  const counts = new Int32Array(endpoints.length);
  for (let index = 0; index < endpoints.length; index += 1) {
    counts[index] = loads.inFlight(endpoints[index]?.name ?? "");
  }
  const { model, warmOn } = request;
  // The request itself would be kept alive, and what it excludes changes with its next try.
  const excluded = new Set(request.excluded);
  const summary = { model, warmOn, excluded };
  return () => {
    const then = new Map(endpoints.map(({ name }, index) => [name, counts[index] ?? 0]));
    return explainPick(endpoints, { inFlight: (name) => then.get(name) ?? 0 }, summary, tie);
  };
}
