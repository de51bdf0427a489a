import type { Principal } from "@warmpath/runtime";
import { WarmpathError } from "@warmpath/runtime/base";
import type { Authenticator, Caller, CallerLimits } from "./authenticate.ts";
import type { RequestLimiter } from "./limits/requests-per-minute.ts";
import type { GatewayMetrics } from "./metrics.ts";

/**
 * Lets a request in: who calls, and whether their key's rate allows one more. The same for every
 * protocol.
 */
export interface Door {
  enter(headers: Headers): Promise<Caller>;
  /** Limits of the key behind a principal that {@link enter} returned. */
  limitsOf(principal: Principal): CallerLimits;
}

/** Counts a request only once its key is known to be valid. */
export function createDoor(deps: {
  authenticator: Authenticator;
  limiter: RequestLimiter;
  metrics: GatewayMetrics;
}): Door {
  // The RPC server hands the very principal of `enter` to the handlers, so that its limits can be
  // found by it.
  const limitsByPrincipal = new WeakMap<Principal, CallerLimits>();
  return {
    async enter(headers) {
      const caller = await deps.authenticator.authenticate(headers);
      const { principal, limits } = caller;
      const waitMs = deps.limiter.charge(principal.keyId, limits.requestsPerMinute);
      if (waitMs > 0) {
        deps.metrics.refusals.inc({ limit: "requests_per_minute" });
        const sentence =
          `This key may make ${limits.requestsPerMinute} requests per minute; ` +
          `retry in ${Math.ceil(waitMs / 1000)} s.`;
        throw new WarmpathError("rejected-over-limit", sentence, { retryAfterMs: waitMs });
      }
      limitsByPrincipal.set(principal, limits);
      return caller;
    },
    limitsOf(principal) {
      const limits = limitsByPrincipal.get(principal);
      if (limits === undefined) {
        throw new WarmpathError("failed-internal", "a principal that did not enter by the door");
      }
      return limits;
    },
  };
}
