import { compareEndpoints, engineLoad } from "./compare.ts";
import { refusalOf } from "./eligible.ts";
import type { Candidate, Endpoint, Loads, RequestSummary } from "./types.ts";

/**
 * Every endpoint, best first, the refused ones last. With the same `tie` its first eligible one is
 * the pick.
 */
export function explainPick(
  endpoints: readonly Endpoint[],
  loads: Loads,
  request: RequestSummary,
  tie: number,
): readonly Candidate[] {
  const start = Math.floor(tie * endpoints.length);
  const inTurn = [...endpoints.slice(start), ...endpoints.slice(0, start)].map((endpoint) => {
    const inFlight = loads.inFlight(endpoint.name);
    return { endpoint, inFlight, excluded: refusalOf(endpoint, inFlight, request) };
  });
  // The sort is stable, so equals stay in the order in which the pick meets them.
  inTurn.sort((a, b) => {
    const refusedDifference = Number(a.excluded !== undefined) - Number(b.excluded !== undefined);
    return refusedDifference !== 0
      ? refusedDifference
      : compareEndpoints(request, a.endpoint, b.endpoint, a.inFlight - b.inFlight);
  });
  return inTurn.map(({ endpoint, inFlight, excluded }) => ({
    endpoint: endpoint.name,
    cost: inFlight,
    terms: {
      "in flight": inFlight,
      "in the engine": engineLoad(endpoint),
      cold: endpoint.name === request.warmOn ? 0 : 1,
    },
    excluded,
  }));
}
