import { type Clock, type Logger, messageOf } from "@warmpath/runtime/base";
import type { TaskLog } from "@warmpath/state/log";
import type { OrchestratorMetrics } from "../metrics.ts";
import type { Run } from "../run/run.ts";

/**
 * A run is stopped this long before its lease ends by our clock, in ms, so that its last append is
 * refused by nobody.
 */
const fenceMarginMs = 500;

/**
 * Renews the leases of all runs of a worker in one call, and stops the runs whose lease is lost or
 * about to end.
 */
export async function keepLeases(
  deps: {
    readonly runs: ReadonlySet<Run>;
    readonly taskLog: TaskLog;
    readonly clock: Clock;
    readonly log: Logger;
    readonly metrics: OrchestratorMetrics;
    readonly renewMs: number;
  },
  signal: AbortSignal,
): Promise<void> {
  const { runs, taskLog, clock, log, renewMs } = deps;
  let renewing: Promise<void> | undefined;
  // The fence is looked at more often than leases are renewed, and does not wait for a database
  // that hangs.
  const lookMs = Math.min(renewMs, fenceMarginMs / 2);
  let nextRenewMs = clock.monotonicMs() + renewMs;
  while (!signal.aborted) {
    await clock.sleep(lookMs, signal).catch(() => undefined);
    fenceExpired(deps);
    if (runs.size === 0 || renewing || clock.monotonicMs() < nextRenewMs) continue;
    nextRenewMs = clock.monotonicMs() + renewMs;
    renewing = renewAll(runs, taskLog, deps.metrics)
      .catch((error) => log.warn("leases could not be renewed", { error: messageOf(error) }))
      .finally(() => {
        renewing = undefined;
      });
  }
  await renewing;
}

async function renewAll(
  runs: ReadonlySet<Run>,
  taskLog: TaskLog,
  metrics: OrchestratorMetrics,
): Promise<void> {
  const asked = [...runs];
  const held = await taskLog.renew(asked.map(({ lease }) => lease));
  const byTask = new Map(held.map((lease) => [`${lease.tenant}/${lease.taskId}`, lease]));
  for (const run of asked) {
    const lease = byTask.get(`${run.ref.tenant}/${run.ref.taskId}`);
    if (lease && lease.epoch === run.lease.epoch) run.recorder.renewed(lease);
    // A run that ended while the renewal was under way has no lease to lose.
    else if (runs.has(run) && !run.recorder.state.hasEnded) {
      metrics.leasesLost.inc();
      run.stopNow("lease-lost");
    }
  }
}

function fenceExpired(deps: {
  readonly runs: ReadonlySet<Run>;
  readonly clock: Clock;
  readonly metrics: OrchestratorMetrics;
}): void {
  const nowMs = deps.clock.monotonicMs();
  for (const run of deps.runs) {
    if (!run.stop.aborted && run.lease.expiresMonotonicMs - fenceMarginMs <= nowMs) {
      deps.metrics.leasesLost.inc();
      run.stopNow("lease-lost");
    }
  }
}
