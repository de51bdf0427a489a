import {
  type CancelSignal,
  type Clock,
  type Logger,
  type Reason,
  WarmpathError,
} from "@warmpath/runtime/base";
import type { InferenceProxyMetrics } from "../metrics.ts";
import type { Pool } from "../upstream/pool.ts";

/** The smaller models that stand in for larger ones. */
export interface Failover {
  /**
   * Opens a call at the model, or, when none of its replicas has been healthy for the stated time,
   * at the one declared for it. What reached an engine and was refused there stays refused.
   */
  open<Call>(
    model: string,
    open: (model: string) => Promise<Call>,
    signal: CancelSignal,
  ): Promise<{ readonly call: Call; readonly model: string }>;
}

/** Reasons of a call that no replica has served and that another model's may. */
const unserved: ReadonlySet<Reason> = new Set<Reason>([
  "rejected-no-replica",
  "rejected-queue-full",
  "failed-upstream",
  "failed-upstream-busy",
  "failed-timeout",
]);

/** How often a request that waits for the decision looks whether its model is back. */
const lookEveryMs = 50;

/** Undefined where nothing is declared. */
export function createFailover(options: {
  readonly pairs: ReadonlyMap<string, string>;
  readonly waitMs: number;
  readonly pool: Pool;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: InferenceProxyMetrics;
}): Failover | undefined {
  const { pairs, waitMs, pool, clock, log, metrics } = options;
  if (pairs.size === 0) {
    return undefined;
  }
  const outSince = new Map<string, number>();
  const standIns = new Set<string>();

  const look = (model: string) => {
    if (isServed(pool, model)) {
      outSince.delete(model);
      if (standIns.delete(model)) {
        log.info("model is back", { model });
      }
    } else if (!outSince.has(model)) {
      outSince.set(model, clock.monotonicMs());
    }
  };
  pool.onChange(() => {
    for (const model of pairs.keys()) {
      look(model);
    }
  });
  const outMs = (model: string): number => {
    look(model);
    const sinceMs = outSince.get(model);
    return sinceMs === undefined ? 0 : clock.monotonicMs() - sinceMs;
  };
  /** Waits until the model is back or out for good; true when it is out. */
  const isOut = async (model: string, signal: CancelSignal): Promise<boolean> => {
    for (let ms = outMs(model); ms > 0 || outSince.has(model); ms = outMs(model)) {
      if (ms >= waitMs) {
        return true;
      }
      await clock.sleep(Math.min(lookEveryMs, waitMs - ms), signal);
    }
    return false;
  };
  const note = (model: string, fallback: string) => {
    metrics.modelFailovers.inc({ model, fallback });
    if (!standIns.has(model)) {
      standIns.add(model);
      log.warn("model is out: another stands in", { model, fallback });
    }
  };

  const open: Failover["open"] = async (model, openAt, signal) => {
    const fallback = pairs.get(model);
    if (fallback === undefined) {
      return { call: await openAt(model), model };
    }
    if (outMs(model) < waitMs) {
      try {
        return { call: await openAt(model), model };
      } catch (error) {
        if (!unserved.has(WarmpathError.from(error).reason) || isServed(pool, model)) {
          throw error;
        }
        if (!(await isOut(model, signal))) {
          return { call: await openAt(model), model };
        }
      }
    }
    note(model, fallback);
    return await open(fallback, openAt, signal);
  };
  return { open };
}

/** True while a replica of the model answers its probes and is not being emptied. */
function isServed(pool: Pool, model: string): boolean {
  return pool.endpoints.some(
    ({ healthy, isDraining, heldBack, models }) =>
      healthy && isDraining !== true && heldBack !== "all" && models.has(model),
  );
}

/** Reads `model=fallback` entries; lists every one that is not of this form, and circles. */
export function parseModelFailover(entries: readonly string[]): ReadonlyMap<string, string> {
  const pairs = new Map<string, string>();
  const faults: string[] = [];
  for (const entry of entries) {
    const [model = "", ...rest] = entry.split("=");
    const fallback = rest.join("=");
    if (model === "" || fallback === "") {
      faults.push(`"${entry}" is not of the form model=fallback`);
    } else {
      pairs.set(model, fallback);
    }
  }
  for (const model of pairs.keys()) {
    const seen = new Set<string>();
    let next: string | undefined = model;
    while (next !== undefined && !seen.has(next)) {
      seen.add(next);
      next = pairs.get(next);
    }
    if (next === model) {
      faults.push(`"${model}" would stand in for itself`);
    }
  }
  if (faults.length > 0) {
    throw new WarmpathError("rejected-config", `WARMPATH_MODEL_FAILOVER: ${faults.join("; ")}`);
  }
  return pairs;
}
