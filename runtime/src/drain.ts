import { after, type Clock, type Logger, systemClock } from "./base/index.ts";

/** One thing to wind down; it should be done within the grace it is given. */
export interface DrainStep {
  readonly name: string;
  readonly close: (graceMs: number) => Promise<void> | void;
}

/** How a process ends. */
export interface DrainOptions {
  /**
   * In order: stop taking work, finish or hand back what is open, then close what that stood on.
   */
  readonly steps: readonly DrainStep[];
  /** For all steps together, in ms. Below Kubernetes's 30 s before it kills. Default 10000. */
  readonly graceMs?: number;
  readonly log: Logger;
  readonly clock?: Clock;
}

const defaultGraceMs = 10_000;

/**
 * Added to a step's grace before it is left behind, in ms, so that a step can use the whole of its
 * own.
 */
const stepSlackMs = 500;

/**
 * Runs the steps in order; one that fails or overruns is logged and does not keep the rest from
 * closing.
 */
export async function drain(options: DrainOptions): Promise<void> {
  const { log, steps } = options;
  const clock = options.clock ?? systemClock;
  const deadlineMs = clock.monotonicMs() + (options.graceMs ?? defaultGraceMs);
  for (const step of steps) {
    const leftMs = Math.max(0, deadlineMs - clock.monotonicMs());
    try {
      await withinMs(clock, leftMs + stepSlackMs, Promise.resolve(step.close(leftMs)));
      log.debug("closed", { step: step.name });
    } catch (error) {
      log.warn("closing failed", { step: step.name, error });
    }
  }
}

/**
 * Resolves after the first SIGINT or SIGTERM, when everything is closed. A second signal ends the
 * process at once, with the status that says a signal ended it.
 */
export function runUntilSignal(options: DrainOptions): Promise<void> {
  return new Promise((resolve) => {
    let isDraining = false;
    const onSignal = (signal: NodeJS.Signals) => {
      if (isDraining) {
        process.exit(signal === "SIGINT" ? 130 : 143);
      }
      isDraining = true;
      options.log.info("draining", { signal });
      void drain(options).then(resolve);
    };
    process.on("SIGINT", onSignal);
    process.on("SIGTERM", onSignal);
  });
}

function withinMs(clock: Clock, ms: number, work: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = after(clock, ms, () => reject(new Error("took longer than its grace")));
    work.then(resolve, reject).finally(timer.cancel);
  });
}
