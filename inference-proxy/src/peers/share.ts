import { type Bus, proxyPeersSubject } from "@warmpath/runtime";
import { type Clock, type Logger, messageOf } from "@warmpath/runtime/base";
import { createListener } from "./listener.ts";
import type { PeerMetrics } from "./metrics.ts";
import type { Outbox } from "./outbox.ts";
import { type OnForeign, PeerTable } from "./peer-table.ts";
import { createSpeaker } from "./speaker.ts";
import type { PeerLimits, SharedPlacing, SharedPrompts } from "./types.ts";

/** The other proxies, listened to until closed. */
export interface Peers {
  /** Other engines are in the replicas' places; the names are in their order. */
  rename(names: readonly string[]): void;
  /** Says goodbye, so that nobody counts on what was booked here. */
  close(): Promise<void>;
}

/** What sharing stands on. */
export interface PeersOptions {
  readonly bus: Bus;
  readonly placing: SharedPlacing;
  readonly prompts: SharedPrompts;
  readonly outbox: Outbox;
  /** Of the secret of prompt keys; empty where it is this process's own. */
  readonly keysOf: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: PeerMetrics;
  readonly limits: PeerLimits;
}

/**
 * Tells the other proxies on the bus what this one has booked, and takes in what they tell. Nothing
 * waits for it: without the bus each proxy goes on by what it knows itself.
 */
export function startPeers(options: PeersOptions): Peers {
  const { bus, placing, outbox, clock, log, metrics, limits } = options;
  // Metrics keep the names of places, whoever is in them.
  const { names } = outbox;
  const self = crypto.randomUUID();
  const onForeign: OnForeign = (replica, { requests, aheadMs, sessionTokens }) => {
    placing.setForeign(replica, { requests, aheadSeconds: aheadMs / 1000, sessionTokens });
    metrics.inFlightElsewhere.set({ replica: names[replica]! }, requests);
  };
  const table = new PeerTable({ self, names, limits, onForeign });
  const take = createListener({ ...options, table });
  const speaker = createSpeaker({ ...options, table, self });
  const closed = new AbortController();

  const run = async (): Promise<void> => {
    while (!closed.signal.aborted) {
      await clock.sleep(limits.peerBeatMs, closed.signal);
      const nowMs = clock.monotonicMs();
      if (table.forgetSilent(nowMs) > 0) {
        metrics.peers.set(table.size);
      }
      speaker.beat(nowMs);
    }
  };

  const listening = bus.subscribe(proxyPeersSubject(), take).catch((error: unknown) => {
    log.warn("bookings of other proxies are not heard", { detail: messageOf(error) });
    return undefined;
  });
  // The sleep rejects only when it is closed.
  run().catch(() => undefined);

  return {
    rename: (renamed) => {
      outbox.rename(renamed);
      table.rename(renamed);
    },
    close: async () => {
      closed.abort();
      speaker.goodbye();
      (await listening)?.close();
    },
  };
}

/** Tells equal secrets without telling them; empty where the process made its own. */
export function secretName(secret: string | undefined): string {
  return secret === undefined
    ? ""
    : new Bun.CryptoHasher("sha256").update(`peers:${secret}`).digest("hex").slice(0, 16);
}
