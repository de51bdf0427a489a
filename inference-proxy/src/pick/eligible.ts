import type { Endpoint, NoEndpoint, RequestSummary } from "./types.ts";

/** How far an endpoint got before it was refused: the pick's reason is the furthest of all. */
export const refusalRank: Readonly<Record<NoEndpoint, number>> = {
  "unknown-model": 0,
  unhealthy: 1,
  excluded: 2,
  saturated: 3,
};

/** Why the endpoint cannot take the request now; undefined when it can. */
export function refusalOf(
  endpoint: Endpoint,
  inFlight: number,
  request: RequestSummary,
): NoEndpoint | undefined {
  // An endpoint that was never reached may serve anything: that is an outage, not an unknown model.
  const neverSeen = !endpoint.healthy && endpoint.models.size === 0;
  if (!neverSeen && !endpoint.models.has(request.model)) {
    return "unknown-model";
  }
  if (!endpoint.healthy) {
    return "unhealthy";
  }
  if (request.excluded.has(endpoint.name)) {
    return "excluded";
  }
  return inFlight >= endpoint.inFlightMax ? "saturated" : undefined;
}
