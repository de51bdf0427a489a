import { quantileOf } from "../../report/statistics.ts";

/** A load of tasks: so many under way at once, each begun when one before it has ended. */
export interface TaskLoad {
  readonly inFlight: number;
  readonly durationMs: number;
  /** No more tasks than this, whatever the time. */
  readonly tasksMax: number;
}

/** What came of it. */
export interface TaskTally {
  readonly tasks: number;
  readonly failureCount: number;
  /** The first few failures, in words. */
  readonly failures: readonly string[];
  readonly tasksPerSecond: number;
  /** From the submit to the known end. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Until the last task had ended. */
  readonly elapsedMs: number;
}

const failuresKept = 5;
/** A system that refuses everything is not asked as fast as it can refuse. */
const pauseAfterFailureMs = 100;

/** Keeps tasks under way; `run` resolves to what was wrong with one, if anything. */
export async function driveTasks(
  run: () => Promise<string | undefined>,
  load: TaskLoad,
): Promise<TaskTally> {
  const ended: { readonly atMs: number; readonly latencyMs: number }[] = [];
  const failures: string[] = [];
  let begun = 0;
  const startMs = performance.now();
  const elapsedMs = () => performance.now() - startMs;
  const keepOne = async () => {
    while (begun < load.tasksMax && elapsedMs() < load.durationMs) {
      begun += 1;
      const begunMs = elapsedMs();
      const fault = await run().catch(String);
      const atMs = elapsedMs();
      if (fault === undefined) ended.push({ atMs, latencyMs: atMs - begunMs });
      else {
        failures.push(fault);
        await Bun.sleep(pauseAfterFailureMs);
      }
    }
  };
  await Promise.all(Array.from({ length: load.inFlight }, keepOne));
  const totalMs = elapsedMs();
  const inWindow = ended.filter(({ atMs }) => atMs <= load.durationMs).length;
  // Too few ends for a window to be a fair cut: then the rate is that of all until the last.
  const isShort = begun >= load.tasksMax || inWindow < 2 * load.inFlight;
  const latenciesMs = ended.map(({ latencyMs }) => latencyMs).sort((left, right) => left - right);
  return {
    tasks: ended.length,
    failureCount: failures.length,
    failures: failures.slice(0, failuresKept),
    tasksPerSecond: isShort ? ended.length / (totalMs / 1000) : inWindow / (load.durationMs / 1000),
    p50Ms: quantileOf(latenciesMs, 0.5),
    p99Ms: quantileOf(latenciesMs, 0.99),
    elapsedMs: totalMs,
  };
}
