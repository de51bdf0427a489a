import { type Bus, proxyPeersSubject } from "@warmpath/runtime";
import { writeBeat } from "./beat-text.ts";
import type { PeerMetrics } from "./metrics.ts";
import type { Outbox } from "./outbox.ts";
import type { PeerTable } from "./peer-table.ts";
import type { PeerHome, PeerLimits, PeerLoad, SharedPlacing } from "./types.ts";

/** Tells what this proxy has booked. */
export interface Speaker {
  /** Tells what is new, if anything is, or that we are still here, if it is time. */
  beat(nowMs: number): void;
  goodbye(): void;
}

/** What a beat takes besides its loads and homes, at most. */
const headBytes = 256;
/** Beats without news within the time after which a proxy is forgotten. */
const beatsPerSilence = 3;

/** Publishes and forgets: what does not arrive is said again, or was a hint. */
export function createSpeaker(options: {
  readonly bus: Bus;
  readonly table: PeerTable;
  readonly placing: SharedPlacing;
  readonly outbox: Outbox;
  readonly self: string;
  readonly keysOf: string;
  readonly metrics: PeerMetrics;
  readonly limits: PeerLimits;
}): Speaker {
  const { bus, table, placing, outbox, self, keysOf, metrics, limits } = options;
  let number = 0;
  let lastLoads = "";
  let lastAtMs = Number.NEGATIVE_INFINITY;

  const say = (loads: readonly PeerLoad[], homes: readonly PeerHome[], isLast: boolean): void => {
    number += 1;
    const payload = writeBeat({ from: self, number, keysOf, isLast, loads, homes });
    bus.publish(proxyPeersSubject(), payload);
    metrics.beats.inc({ result: "sent" });
    metrics.homes.inc({ result: "sent" }, homes.length);
  };

  return {
    beat: (nowMs) => {
      const isDue = nowMs - lastAtMs >= limits.peerSilentMs / beatsPerSilence;
      const isAlone = table.size === 0;
      if (isAlone && !isDue) {
        return;
      }
      const loads = loadsOf(placing, outbox.names);
      const loadsText = JSON.stringify(loads);
      if (!isDue && outbox.size === 0 && loadsText === lastLoads) {
        return;
      }
      lastLoads = loadsText;
      lastAtMs = nowMs;
      const droppedBefore = outbox.dropped;
      // While nobody listens the latest sessions wait for whoever comes.
      const homesBytes = limits.peerMessageBytesMax - headBytes - loadsText.length;
      const homes = isAlone ? [] : outbox.take(homesBytes, nowMs);
      metrics.homes.inc({ result: "dropped" }, outbox.dropped - droppedBefore);
      say(loads, homes, false);
    },
    goodbye: () => say([], [], true),
  };
}

/** Of the replicas where anything is booked. */
function loadsOf(placing: SharedPlacing, names: readonly string[]): readonly PeerLoad[] {
  const loads: PeerLoad[] = [];
  for (const [index, replica] of names.entries()) {
    const { requests, aheadSeconds, sessionTokens } = placing.bookedAt(index);
    const aheadMs = Math.round(aheadSeconds * 1000);
    const tokens = Math.max(0, Math.round(sessionTokens));
    if (requests > 0 || aheadMs > 0 || tokens > 0) {
      loads.push({ replica, requests, aheadMs, sessionTokens: tokens });
    }
  }
  return loads;
}
