import { type CancelSignal, type Reason, WarmpathError } from "@warmpath/runtime/base";
import type { Router } from "./router.ts";
import type { Route, RouteStep } from "./types.ts";

/**
 * Refusals before anything was sent: another model may have a place, or, where the request could
 * not be put into a provider's words, be one that speaks the client's own.
 */
const isElsewhere: ReadonlySet<Reason> = new Set<Reason>([
  "rejected-queue-full",
  "rejected-no-replica",
  "rejected-no-model",
  "rejected-invalid",
]);

/** An opened call and the step that opened it. */
export interface Followed<Call> {
  readonly call: Call;
  readonly step: RouteStep;
}

/** Tries the steps of a route in turn, until one has a place; throws what the last one said. */
export async function followRoute<Call>(
  router: Router,
  { steps }: Route,
  options: {
    readonly signal: CancelSignal;
    readonly open: (step: RouteStep) => Promise<Call>;
  },
): Promise<Followed<Call>> {
  const last = steps.length - 1;
  for (const [at, step] of steps.entries()) {
    if (!(await router.untilWell(step, options.signal))) {
      continue;
    }
    try {
      return { call: await options.open(step), step };
    } catch (error) {
      if (at === last || !isElsewhere.has(WarmpathError.from(error).reason)) {
        throw error;
      }
    }
  }
  // The last step has no bound of its own, so it is never passed over.
  throw new WarmpathError("failed-internal", "a route without a last step");
}
