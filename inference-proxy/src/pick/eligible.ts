import type { Endpoint, NoEndpoint, RequestOfAnyPrompt } from "./types.ts";

/** How far an endpoint got before it was refused: the pick's reason is the furthest of all. */
const refusalRank: Readonly<Record<NoEndpoint, number>> = {
  "unknown-model": 0,
  unhealthy: 1,
  draining: 2,
  excluded: 3,
  // A breaker lets somebody try again within seconds: nearer than one that has been tried.
  "held-back": 4,
  // Limits refill; a place comes free when somebody ends, which is sooner as a rule.
  closed: 5,
  saturated: 6,
  // Nothing but the session's own size keeps it away.
  "no-room": 7,
};

/** Why the endpoint cannot take the request now; undefined when it can. */
export function refusalOf(
  endpoint: Endpoint,
  inFlight: number,
  request: RequestOfAnyPrompt,
): NoEndpoint | undefined {
  // An endpoint that was never reached may serve anything: that is an outage, not an unknown model.
  const neverSeen = !endpoint.healthy && endpoint.models.size === 0;
  if (!neverSeen && !endpoint.models.has(request.model)) {
    return "unknown-model";
  }
  if (!endpoint.healthy) {
    return "unhealthy";
  }
  if (endpoint.isDraining === true) {
    return "draining";
  }
  if (request.excluded.has(endpoint.name)) {
    return "excluded";
  }
  const { heldBack } = endpoint;
  if (heldBack !== undefined && (heldBack === "all" || heldBack.has(request.model))) {
    return "held-back";
  }
  if (inFlight >= endpoint.inFlightMax) {
    return "saturated";
  }
  return request.gate !== undefined && request.gate.waitMs(endpoint.name) > 0
    ? "closed"
    : undefined;
}

/** True when nobody's turn will come there soon: it is out, emptied, or held back by a breaker. */
export function isOut({ healthy, isDraining, heldBack }: Endpoint, model: string): boolean {
  return !healthy || isDraining === true || heldBack === "all" || heldBack?.has(model) === true;
}

/** The furthest that any endpoint gets with such a request; undefined where one could take it. */
export function furthestRefusal(
  endpoints: readonly Endpoint[],
  inFlight: (endpoint: string) => number,
  request: RequestOfAnyPrompt,
): NoEndpoint | undefined {
  let furthest: NoEndpoint = "unknown-model";
  for (const endpoint of endpoints) {
    const refusal = refusalOf(endpoint, inFlight(endpoint.name), request);
    if (refusal === undefined) {
      return undefined;
    }
    furthest = furtherOf(furthest, refusal);
  }
  return furthest;
}

/** The reason of the two that got further. */
export function furtherOf(one: NoEndpoint, other: NoEndpoint): NoEndpoint {
  return refusalRank[other] > refusalRank[one] ? other : one;
}
