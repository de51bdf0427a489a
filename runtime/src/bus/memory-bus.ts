import { type Logger, silentLogger, WarmpathError } from "../base/index.ts";
import { type Bus, busLimits, type OnMessage, type Subscription } from "./bus.ts";
import type { BusMetrics } from "./bus-metrics.ts";
import { subjectMatches } from "./subjects.ts";

/** What a bus reports to. */
export interface BusOptions {
  readonly log?: Logger;
  readonly metrics?: BusMetrics;
}

interface Interest {
  readonly pattern: readonly string[];
  readonly onMessage: OnMessage;
  pending: { payload: Uint8Array; subject: string }[];
  isScheduled: boolean;
  isClosed: boolean;
}

/**
 * A bus inside one process. Exact subjects are found by one look-up; patterns, of which a process
 * has a handful, are tried one by one. Delivery is never inside `publish`: a subscriber cannot slow
 * or re-enter a publisher.
 */
export function createMemoryBus(options: BusOptions = {}): Bus {
  const log = options.log ?? silentLogger;
  const exact = new Map<string, Set<Interest>>();
  const wild = new Set<Interest>();
  let count = 0;
  let isClosed = false;

  function enqueue(interest: Interest, subject: string, payload: Uint8Array): void {
    if (interest.pending.length >= busLimits.pendingMax) {
      options.metrics?.dropped.inc({ cause: "queue-full" });
      return;
    }
    interest.pending.push({ payload, subject });
    if (!interest.isScheduled) {
      interest.isScheduled = true;
      setImmediate(deliver, interest, log);
    }
  }

  return {
    publish(subject, payload) {
      if (isClosed || payload.byteLength > busLimits.payloadBytesMax) {
        options.metrics?.dropped.inc({ cause: isClosed ? "closed" : "too-large" });
        return;
      }
      for (const interest of exact.get(subject) ?? []) {
        enqueue(interest, subject, payload);
      }
      if (wild.size > 0) {
        const words = subject.split(".");
        for (const interest of wild) {
          if (subjectMatches(interest.pattern, words)) {
            enqueue(interest, subject, payload);
          }
        }
      }
    },
    async subscribe(subject, onMessage) {
      if (count >= busLimits.subscriptionsMax) {
        throw new WarmpathError(
          "rejected-queue-full",
          "the bus has as many subscriptions as it may",
        );
      }
      count += 1;
      const pattern = subject.split(".");
      const interest: Interest = {
        pattern,
        onMessage,
        pending: [],
        isScheduled: false,
        isClosed: false,
      };
      const isWild = pattern.includes("*") || pattern.at(-1) === ">";
      const group = isWild ? wild : (exact.get(subject) ?? new Set());
      if (!isWild) {
        exact.set(subject, group);
      }
      group.add(interest);
      return closing(interest, () => {
        count -= 1;
        group.delete(interest);
        if (!isWild && group.size === 0 && exact.get(subject) === group) {
          exact.delete(subject);
        }
      });
    },
    async ready() {
      if (isClosed) {
        throw new WarmpathError("rejected-unavailable", "the bus is closed");
      }
    },
    async close() {
      isClosed = true;
      for (const interest of [...wild, ...[...exact.values()].flatMap((group) => [...group])]) {
        interest.isClosed = true;
      }
      exact.clear();
      wild.clear();
    },
  };
}

function closing(interest: Interest, forget: () => void): Subscription {
  return {
    close() {
      if (!interest.isClosed) {
        interest.isClosed = true;
        forget();
      }
    },
  };
}

function deliver(interest: Interest, log: Logger): void {
  const batch = interest.pending;
  interest.pending = [];
  interest.isScheduled = false;
  for (const { payload, subject } of batch) {
    if (interest.isClosed) {
      return;
    }
    try {
      interest.onMessage(payload, subject);
    } catch (error) {
      log.error("bus subscriber failed", { subject, error });
    }
  }
}
