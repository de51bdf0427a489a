import { createContextKey, type HandlerContext } from "@connectrpc/connect";
import { WarmpathError } from "../base/index.ts";
import type { Principal } from "../principal.ts";

/** Where the verified principal of a served call is kept. */
export const principalKey = createContextKey<Principal | undefined>(undefined, {
  description: "principal",
});

/** On whose behalf the served call is made, as verified before its body was read. */
export function principalOf(context: HandlerContext): Principal {
  const principal = context.values.get(principalKey);
  if (principal === undefined) {
    throw new WarmpathError("rejected-unsigned", "the call carries no principal");
  }
  return principal;
}

/**
 * Options for a call made while serving another: the same principal, cancelled with it, within what
 * is left of its deadline.
 */
export function callOptionsOf(context: HandlerContext): {
  principal: Principal;
  signal: AbortSignal;
  timeoutMs?: number;
} {
  const timeoutMs = context.timeoutMs();
  return {
    principal: principalOf(context),
    signal: context.signal,
    ...(timeoutMs === undefined ? {} : { timeoutMs: Math.max(1, timeoutMs) }),
  };
}
