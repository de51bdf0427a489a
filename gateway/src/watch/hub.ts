import type { ReadEventsResponse } from "@warmpath/proto/state";
import type { Principal } from "@warmpath/runtime";
import { WarmpathError } from "@warmpath/runtime/base";
import type { GatewayMetrics } from "../metrics.ts";
import { Feed, type FeedDeps } from "./feed.ts";
import type { Sink } from "./inbox.ts";

/** One watcher's place at its task's feed. */
export interface Membership {
  read(afterSeq: bigint, limit: number): Promise<ReadEventsResponse>;
  close(): void;
}

/** All watched tasks of this process: one feed per (tenant, task), however many watch it. */
export interface WatchHub {
  join(principal: Principal, taskId: string, sink: Sink): Promise<Membership>;
  readonly watchers: number;
  readonly feeds: number;
}

/** Pause that a refused watcher is told; streams end all the time, so room comes soon. */
const roomRetryMs = 2_000;

/** What a hub needs beside its feeds. */
export interface HubDeps {
  /** Bounds the open streams of the process. */
  readonly watchersMax: number;
  readonly metrics: Pick<GatewayMetrics, "watchers" | "watchedTasks">;
}

/** A hub that nobody watches at yet. */
export function createWatchHub(deps: FeedDeps & HubDeps): WatchHub {
  const feeds = new Map<string, Feed>();
  let watchers = 0;
  const count = () => {
    deps.metrics.watchers.set(watchers);
    deps.metrics.watchedTasks.set(feeds.size);
  };
  return {
    async join(principal, taskId, sink) {
      if (watchers >= deps.watchersMax) {
        const sentence = `this gateway has ${watchers} watching streams open, as many as it may`;
        throw new WarmpathError("rejected-queue-full", sentence, { retryAfterMs: roomRetryMs });
      }
      const key = `${principal.tenant} ${taskId}`;
      const feed = feeds.get(key) ?? new Feed(deps, principal, taskId);
      feeds.set(key, feed);
      watchers += 1;
      count();
      await feed.add(sink, principal);
      let isOpen = true;
      return {
        read: (afterSeq, limit) => feed.read(principal, afterSeq, limit),
        close() {
          if (isOpen) {
            isOpen = false;
            watchers -= 1;
            if (feed.remove(sink)) {
              feeds.delete(key);
            }
            count();
          }
        },
      };
    },
    get watchers() {
      return watchers;
    },
    get feeds() {
      return feeds.size;
    },
  };
}
