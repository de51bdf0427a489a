import type { Bus } from "@warmpath/runtime";
import { type Clock, type Logger, messageOf } from "@warmpath/runtime/base";
import { cancelAndTell } from "./log/cancel-and-tell.ts";
import type { LogConfig } from "./log/log-config.ts";
import type { OutboxPump } from "./log/outbox.ts";
import { findOrphans, redispatchStale } from "./log/ready-tasks.ts";
import type { StateMetrics } from "./metrics.ts";
import type { DispatchQueue } from "./queue/dispatch-queue.ts";
import type { Store } from "./store/store.ts";

/** Finds what crashes left behind. Any number may run at once; each does some of the work. */
export interface Sweeper {
  start(): void;
  stop(): Promise<void>;
  /** One round, for tests. */
  sweep(): Promise<void>;
}

/** Rounds between looks for what is merely old: keys, lapsed agents, orphans. */
const slowEvery = 10;
const deletesMax = 1000;
/** Batches of one round: 10,000 keys a second at the usual pace. */
const batchesMax = 100;
/**
 * A lapsed agent is remembered this long, so that its tasks are accepted while its workers restart.
 */
const agentsKeptMs = 24 * 3_600_000;

/** The sweeper of one process. */
export function createSweeper(deps: {
  readonly store: Store;
  readonly pump: OutboxPump;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Logger;
  readonly config: LogConfig;
  readonly queue: DispatchQueue;
  readonly sweepMs: number;
  readonly metrics: StateMetrics | undefined;
}): Sweeper {
  const { store, pump, clock, log, config } = deps;
  const stopped = new AbortController();
  let round = 0;
  let loop: Promise<void> | undefined;

  const cancelOrphans = async () => {
    for (const orphan of await findOrphans(store.write, deletesMax)) {
      const ref = { tenant: orphan.tenant, taskId: orphan.task_id };
      await cancelAndTell(deps, ref, "sweeper");
    }
  };
  const sweep = async () => {
    const stale = await redispatchStale(store, config);
    deps.metrics?.redispatched(stale.length);
    pump.offer(stale);
    // Before the queue's turn: what needs only the database is done while the queue is away, too.
    if (round++ % slowEvery === 0) {
      await sweepOld(store, config);
      await cancelOrphans();
    }
    await pump.sweep();
    deps.metrics?.depth(await deps.queue.depth());
  };
  const run = async () => {
    while (!stopped.signal.aborted) {
      try {
        await sweep();
      } catch (error) {
        deps.metrics?.sweepFailed();
        log.warn("a sweep failed and is repeated", { reason: messageOf(error) });
      }
      // Aborted: the loop's condition ends it.
      await clock.sleep(deps.sweepMs, stopped.signal).catch(() => undefined);
    }
  };
  return {
    sweep,
    start() {
      loop ??= run();
    },
    async stop() {
      stopped.abort();
      await loop;
    },
  };
}

async function sweepOld(store: Store, config: LogConfig): Promise<void> {
  // In short transactions, until none is left: keys may come in faster than one batch a round.
  for (let batch = 0; batch < batchesMax; batch++) {
    const deleted = await store.write.query(
      `delete from idempotency_keys where (tenant, key) in (
         select tenant, key from idempotency_keys
         where created_at < now() - $1 * interval '1 millisecond' limit $2)
       returning 1`,
      [config.idempotencyMs, deletesMax],
    );
    if (deleted.length < deletesMax) {
      break;
    }
  }
  await store.write.query(
    "delete from agents where expires_at < now() - $1 * interval '1 millisecond'",
    [agentsKeptMs],
  );
}
