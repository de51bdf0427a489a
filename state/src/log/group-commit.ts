/**
 * Group commit: appends that wait while a transaction runs share the next one. A group holds one
 * append a task at most; if its transaction fails for a fault of data, each append runs alone, so
 * that only the faulty one fails.
 */
import { type Clock, WarmpathError } from "@warmpath/runtime/base";
import type { Store } from "../store/store.ts";
import { appendEnding, type GroupResult } from "./append-ending.ts";
import { appendPlain, nameOfAppend, refusals } from "./append-plain.ts";
import type { LogConfig } from "./log-config.ts";
import type { PreparedAppend } from "./prepare-append.ts";

/** Takes appends in and settles each on its own. */
export interface GroupCommit {
  /** Resolves once the append is committed; throws why it was not. */
  append(prepared: PreparedAppend): Promise<void>;
}

/** What the group commit stands on. */
export interface GroupCommitDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly config: LogConfig;
  /** Called after each commit, with what others must be told. */
  readonly onCommitted: (accepted: readonly PreparedAppend[], result: GroupResult) => void;
  /** Called with the size of each group. */
  readonly onGroup?: (size: number) => void;
}

interface Waiting {
  readonly prepared: PreparedAppend;
  readonly resolve: () => void;
  readonly reject: (error: WarmpathError) => void;
}

/** Pause before the second try, in ms; grows with each one, up to the maximum. */
const retryPauseMs = 100;
const retryPauseMsMax = 1000;
/** Tries of a transaction that collides with others. */
const collisionTriesMax = 4;

/** The group commit of one process. */
export function createGroupCommit(deps: GroupCommitDeps): GroupCommit {
  const { config } = deps;
  const waiting: Waiting[] = [];
  const busy = new Set<string>();
  let inFlight = 0;

  const pump = () => {
    while (inFlight < config.groupsInFlightMax && waiting.length > 0) {
      const group = takeGroup(waiting, busy, config);
      if (group.length === 0) {
        return;
      }
      inFlight++;
      void settleGroup(deps, group).finally(() => {
        inFlight--;
        for (const { prepared } of group) {
          busy.delete(nameOfAppend(prepared));
        }
        pump();
      });
    }
  };
  return {
    append(prepared) {
      if (waiting.length >= config.appendQueueMax) {
        throw new WarmpathError("rejected-queue-full", "too many appends wait for the database", {
          retryAfterMs: 1000,
        });
      }
      return new Promise<void>((resolve, reject) => {
        waiting.push({ prepared, resolve, reject });
        // A turn later, so that appends of the same moment share the first group too.
        queueMicrotask(pump);
      });
    },
  };
}

/** The oldest appends that fit together; a task with one in flight waits its turn. */
function takeGroup(waiting: Waiting[], busy: Set<string>, config: LogConfig): Waiting[] {
  const group: Waiting[] = [];
  let bytes = 0;
  for (let index = 0; index < waiting.length && group.length < config.groupAppendsMax; ) {
    const each = waiting[index];
    if (each === undefined) {
      break;
    }
    const name = nameOfAppend(each.prepared);
    const fits = group.length === 0 || bytes + each.prepared.bytes <= config.groupBytesMax;
    if (busy.has(name) || !fits) {
      index++;
      continue;
    }
    waiting.splice(index, 1);
    busy.add(name);
    group.push(each);
    bytes += each.prepared.bytes;
  }
  return group;
}

async function settleGroup(deps: GroupCommitDeps, group: readonly Waiting[]): Promise<void> {
  deps.onGroup?.(group.length);
  try {
    const result = await commitGroup(
      deps,
      group.map((each) => each.prepared),
    );
    for (const each of group) {
      const refusal = result.refused.get(nameOfAppend(each.prepared));
      if (refusal === undefined) {
        each.resolve();
      } else {
        each.reject(refusal);
      }
    }
  } catch (error) {
    const fault = WarmpathError.from(error);
    if (group.length > 1 && ["failed-internal", "failed-aborted"].includes(fault.reason)) {
      for (const each of group) {
        await settleGroup(deps, [each]);
      }
      return;
    }
    for (const each of group) {
      each.reject(fault);
    }
  }
}

/**
 * One transaction, tried again while the database is away, for as long as each append's lease
 * lasts: a finished step is worth more than a quick refusal. A connection that broke may have
 * committed before, which is looked up first.
 */
async function commitGroup(
  deps: GroupCommitDeps,
  group: readonly PreparedAppend[],
): Promise<GroupResult> {
  let open = group;
  let mayBeRecorded = false;
  const givenUp = new Map<string, WarmpathError>();
  for (let tries = 1; ; tries++) {
    try {
      if (mayBeRecorded) {
        open = await withoutRecorded(deps, open);
        mayBeRecorded = false;
      }
      const result = await runGroup(deps.store, open);
      deps.onCommitted(
        open.filter((append) => !result.refused.has(nameOfAppend(append))),
        result,
      );
      return { ...result, refused: new Map([...givenUp, ...result.refused]) };
    } catch (error) {
      const fault = WarmpathError.from(error);
      const isCollision = fault.reason === "failed-aborted" && tries < collisionTriesMax;
      if (!(isAway(fault) || isCollision)) {
        throw error;
      }
      mayBeRecorded ||= fault.reason === "failed-store";
      const pauseMs = Math.min(retryPauseMs * tries, retryPauseMsMax);
      const untilMs = deps.clock.monotonicMs() + pauseMs;
      for (const append of open.filter(({ lease }) => lease.expiresMonotonicMs <= untilMs)) {
        givenUp.set(nameOfAppend(append), fault);
      }
      open = open.filter((append) => !givenUp.has(nameOfAppend(append)));
      if (open.length === 0) {
        return { refused: givenUp, outbox: [], woken: [] };
      }
      await deps.clock.sleep(pauseMs);
    }
  }
}

/** True when the database, not what it was asked, is at fault. */
function isAway({ reason }: WarmpathError): boolean {
  return reason === "failed-store" || reason === "rejected-unavailable";
}

/**
 * Drops appends that a broken connection had committed after all. Only the holder of an epoch
 * writes under it, so the sequence number it would have reached is the proof.
 */
async function withoutRecorded(
  deps: GroupCommitDeps,
  group: readonly PreparedAppend[],
): Promise<readonly PreparedAppend[]> {
  const rows = await deps.store.write.query<{ nth: bigint }>(
    `select r.nth from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[])
       with ordinality as r (tenant, task_id, epoch, seq, nth)
     join events e using (tenant, task_id, epoch, seq)`,
    [
      group.map((append) => append.lease.tenant),
      group.map((append) => append.lease.taskId),
      group.map((append) => append.lease.epoch),
      group.map((append) => append.lastSeq),
    ],
  );
  const recorded = new Set(rows.map((row) => Number(row.nth) - 1));
  const nothing = { refused: new Map(), outbox: [], woken: [] };
  deps.onCommitted(
    group.filter((_, index) => recorded.has(index)),
    nothing,
  );
  return group.filter((_, index) => !recorded.has(index));
}

async function runGroup(store: Store, group: readonly PreparedAppend[]): Promise<GroupResult> {
  if (group.length === 0) {
    return { refused: new Map(), outbox: [], woken: [] };
  }
  if (group.every((append) => append.state === undefined && append.children.length === 0)) {
    const accepted = await appendPlain(store.write, group);
    return { refused: refusals(group, accepted), outbox: [], woken: [] };
  }
  return await store.write.transaction((tx) => appendEnding(tx, group));
}
