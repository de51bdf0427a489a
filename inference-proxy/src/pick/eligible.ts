import type { Endpoint, NoEndpoint, RequestOfAnyPrompt } from "./types.ts";

/** From the refusal that comes first to the one that only just keeps a request away. */
const furthestLast: readonly NoEndpoint[] = [
  "unknown-model",
  // Nor does it ever serve such a prompt.
  "too-long",
  "unhealthy",
  "draining",
  "excluded",
  // A breaker lets somebody try again within seconds: nearer than one that has been tried.
  "held-back",
  // Limits refill; a place comes free when somebody ends, which is sooner as a rule.
  "closed",
  "saturated",
  // Nothing but the session's own size keeps it away.
  "no-room",
];

/** A refusal as a number, to be kept in typed arrays; a higher one got further. */
export type RefusalCode = number;

/** The code of an endpoint that can take the request. */
export const canTake: RefusalCode = 0;

const codes = new Map(furthestLast.map((reason, index) => [reason, index + 1]));

/** The code of a reason; `canTake` for none. */
export function codeOf(reason: NoEndpoint | undefined): RefusalCode {
  return reason === undefined ? canTake : (codes.get(reason) ?? canTake);
}

/** The reason of a code; undefined for `canTake`. */
export function reasonOf(code: RefusalCode): NoEndpoint | undefined {
  return furthestLast[code - 1];
}

const heldBackCode = codeOf("held-back");

/** What keeps every request for the model away until a probe or a breaker says otherwise. */
export function lastingRefusalOf(endpoint: Endpoint, model: string): NoEndpoint | undefined {
  // An endpoint that was never reached may serve anything: that is an outage, not an unknown model.
  const neverSeen = !endpoint.healthy && endpoint.models.size === 0;
  if (!neverSeen && !endpoint.models.has(model)) {
    return "unknown-model";
  }
  if (!endpoint.healthy) {
    return "unhealthy";
  }
  if (endpoint.isDraining === true) {
    return "draining";
  }
  const { heldBack } = endpoint;
  return heldBack !== undefined && (heldBack === "all" || heldBack.has(model))
    ? "held-back"
    : undefined;
}

/**
 * Why the endpoint cannot take the request now, given what `lastingRefusalOf` says of its model.
 */
export function refusalCodeOf(
  endpoint: string,
  lasting: RefusalCode,
  hasPlace: boolean,
  { excluded, gate }: RequestOfAnyPrompt,
): RefusalCode {
  if (lasting !== canTake && lasting !== heldBackCode) {
    return lasting;
  }
  if (excluded.size > 0 && excluded.has(endpoint)) {
    return codeOf("excluded");
  }
  if (lasting === heldBackCode) {
    return lasting;
  }
  if (!hasPlace) {
    return codeOf("saturated");
  }
  return gate !== undefined && gate.waitMs(endpoint) > 0 ? codeOf("closed") : canTake;
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
  let furthest = codeOf("unknown-model");
  for (const endpoint of endpoints) {
    const { name, inFlightMax } = endpoint;
    const lasting = codeOf(lastingRefusalOf(endpoint, request.model));
    const code = refusalCodeOf(name, lasting, inFlight(name) < inFlightMax, request);
    if (code === canTake) {
      return undefined;
    }
    furthest = Math.max(furthest, code);
  }
  return reasonOf(furthest);
}
