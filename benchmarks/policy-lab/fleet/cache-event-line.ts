import type { Random } from "@warmpath/runtime/base";
import type { CacheEvent } from "../../engine/types.ts";
import type { PolicyRun } from "../types.ts";

/** The way of KV events from the engines to the policy: late, and not all arrive. */
export interface CacheEventLine {
  /** A batch leaves an engine; called in the order of time. */
  add(replica: number, events: readonly CacheEvent[], nowMs: number): void;
  /** Hands the policy all that has arrived by now; called before the policy is asked or told. */
  deliver(nowMs: number): void;
  /** Drops what is on the way from a replica that died. */
  forget(replica: number): void;
}

interface Batch {
  readonly replica: number;
  readonly events: readonly CacheEvent[];
  readonly arrivesMs: number;
}

/** A line with the same lag for all; each batch is lost with probability `loss`. */
export function createCacheEventLine(options: {
  readonly run: PolicyRun;
  readonly lagMs: number;
  readonly loss: number;
  readonly random: Random;
}): CacheEventLine {
  const { run, lagMs, loss, random } = options;
  let onTheWay: Batch[] = [];
  let first = 0;
  return {
    add: (replica, events, nowMs) => {
      if (run.onCacheEvents === undefined || (loss > 0 && random.next() < loss)) return;
      onTheWay.push({ replica, events, arrivesMs: nowMs + lagMs });
    },
    deliver: (nowMs) => {
      let batch = onTheWay[first];
      while (batch !== undefined && batch.arrivesMs <= nowMs) {
        run.onCacheEvents?.(batch.replica, batch.events, batch.arrivesMs);
        first += 1;
        batch = onTheWay[first];
      }
      if (first > 1000 || first === onTheWay.length) {
        onTheWay = onTheWay.slice(first);
        first = 0;
      }
    },
    forget: (replica) => {
      onTheWay = onTheWay.slice(first).filter((batch) => batch.replica !== replica);
      first = 0;
    },
  };
}
