import { compareEndpoints } from "./compare.ts";
import { refusalOf, refusalRank } from "./eligible.ts";
import type { Endpoint, Loads, NoEndpoint, PickResult, RequestSummary } from "./types.ts";

/**
 * The least loaded eligible endpoint. Pure: no clock, no chance of its own. `tie` in [0, 1) says
 * where in the list to start looking, so equals are taken in turn and a seed replays.
 *
 * Cost: one pass over the endpoints per request and per retry; allocates nothing per endpoint.
 */
export function pickEndpoint(
  endpoints: readonly Endpoint[],
  loads: Loads,
  request: RequestSummary,
  tie: number,
): PickResult {
  const start = Math.floor(tie * endpoints.length);
  let best: Endpoint | undefined;
  let bestInFlight = 0;
  let reason: NoEndpoint = "unknown-model";
  for (let index = 0; index < endpoints.length; index += 1) {
    const endpoint = endpoints[(start + index) % endpoints.length];
    if (endpoint === undefined) {
      continue;
    }
    const inFlight = loads.inFlight(endpoint.name);
    const refusal = refusalOf(endpoint, inFlight, request);
    if (refusal !== undefined) {
      reason = refusalRank[refusal] > refusalRank[reason] ? refusal : reason;
      continue;
    }
    if (
      best === undefined ||
      compareEndpoints(request, endpoint, best, inFlight - bestInFlight) < 0
    ) {
      best = endpoint;
      bestInFlight = inFlight;
    }
  }
  return best === undefined ? { reason } : { endpoint: best };
}
