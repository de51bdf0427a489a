import type { Clock, Logger } from "@warmpath/runtime/base";
import type { Breakers, BreakerView } from "../breakers/index.ts";
import type { BreakerMetrics } from "../breakers/metrics.ts";
import { type CanaryLimits, sendCanary } from "./canary.ts";
import type { Pool } from "./pool.ts";

/** Brings replicas back that a breaker has taken out. */
export interface Recovery {
  close(): void;
}

/**
 * Keeps the pool's holds equal to what the breakers say. After an opening it waits for the
 * cooldown, sends a canary where that costs nobody money, and lets trials begin once it comes
 * through. One loop per replica that is out, none otherwise.
 */
export function startRecovery(options: {
  readonly pool: Pool;
  readonly breakers: Breakers;
  readonly limits: CanaryLimits;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: BreakerMetrics;
  /** A replica is about to be tried by requests. */
  readonly onTrial: (replica: string) => void;
}): Recovery {
  const { pool, breakers, limits, clock } = options;
  const closed = new AbortController();
  const recovering = new Set<string>();
  const tell = createTeller(options);

  const bringBack = async (name: string): Promise<void> => {
    for (;;) {
      const untilMs = breakers.openUntilMs(name);
      const replica = pool.find(name);
      if (untilMs === undefined || replica === undefined) {
        recovering.delete(name);
        return;
      }
      // A millisecond more: a timer may ring a fraction early, and then nothing would be due.
      await clock.sleep(Math.max(0, untilMs - clock.monotonicMs()) + 1, closed.signal);
      const isWell =
        replica.facts.kind !== "vllm" ||
        (await sendCanary(replica, limits, { clock, signal: closed.signal }));
      try {
        if (isWell) {
          options.onTrial(name);
          breakers.halfOpen(name);
        } else {
          breakers.reopen(name);
        }
      } catch (error) {
        // Whoever is told of it threw: without this loop the replica would be out for ever.
        options.log.error("what a canary found could not be told", { replica: name, error });
      }
    }
  };

  breakers.onChange((name, isLooser) => {
    const replica = pool.find(name);
    if (replica === undefined) {
      return;
    }
    const models = replica.facts.models.map(({ id }) => id);
    const heldBack = breakers.admits(name, "")
      ? new Set(models.filter((model) => !breakers.admits(name, model)))
      : "all";
    pool.hold(name, { heldBack }, { isQuiet: !isLooser });
    tell(name);
    if (breakers.openUntilMs(name) !== undefined && !recovering.has(name)) {
      recovering.add(name);
      // Only the sleep rejects, and only when the process is closing.
      bringBack(name).catch(() => undefined);
    }
  });

  return { close: () => closed.abort() };
}

/** Logs and counts what the breakers of a replica come to say, each change once. */
function createTeller({
  breakers,
  log,
  metrics,
}: {
  readonly breakers: Breakers;
  readonly log: Logger;
  readonly metrics: BreakerMetrics;
}): (replica: string) => void {
  const told = new Map<string, readonly BreakerView[]>();
  return (replica) => {
    const before = told.get(replica) ?? [];
    const now = breakers.troubled.filter((each) => each.replica === replica);
    told.set(replica, now);
    for (const { model } of before.filter((each) => !now.some((other) => isSame(each, other)))) {
      metrics.breakerState.set({ replica, model }, 0);
      log.info("breaker closed", { replica, model: model === "" ? undefined : model });
    }
    for (const { model, state, reason } of now) {
      const known = before.find((each) => each.model === model);
      if (known?.state === state && known.reason === reason) {
        continue;
      }
      const fields = { replica, model: model === "" ? undefined : model, reason };
      metrics.breakerState.set({ replica, model }, state === "open" ? 2 : 1);
      if (state === "open") {
        metrics.breakerOpenings.inc({ replica, model });
        log.warn("breaker opened", fields);
      } else {
        log.info("breaker half-open: a few requests may try", fields);
      }
    }
  };
}

function isSame(a: BreakerView, b: BreakerView): boolean {
  return a.model === b.model;
}
