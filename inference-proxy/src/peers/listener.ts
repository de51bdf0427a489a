import { busLimits } from "@warmpath/runtime";
import type { Clock } from "@warmpath/runtime/base";
import type { ForeignTurn } from "../pick/index.ts";
import { readBeat } from "./beat-text.ts";
import type { PeerMetrics } from "./metrics.ts";
import type { Outbox } from "./outbox.ts";
import type { PeerTable } from "./peer-table.ts";
import type { Beat, PeerHome, SharedPlacing, SharedPrompts } from "./types.ts";

/** Takes in what comes on the bus: loads into the table, homes and keys into placement. */
export function createListener(options: {
  readonly table: PeerTable;
  readonly placing: SharedPlacing;
  readonly prompts: SharedPrompts;
  readonly outbox: Outbox;
  readonly keysOf: string;
  readonly clock: Clock;
  readonly metrics: PeerMetrics;
}): (payload: Uint8Array) => void {
  const { table, placing, prompts, outbox, keysOf, clock, metrics } = options;

  const takeHomes = (beat: Beat, nowMs: number): number => {
    const areKeysOurs = keysOf !== "" && beat.keysOf === keysOf;
    let count = 0;
    for (const home of beat.homes) {
      const replica = outbox.find(home.replica);
      if (replica !== undefined) {
        placing.hear(replica, turnOf(home, areKeysOurs), nowMs - home.agoMs);
        if (areKeysOurs && home.endMark > 0) {
          prompts.hear(home.endMark, home.session);
        }
        count += 1;
      }
    }
    return count;
  };

  return (payload) => {
    const beat = readBeat(payload, busLimits.payloadBytesMax);
    const nowMs = clock.monotonicMs();
    const result = beat === undefined ? "malformed" : table.take(beat, nowMs);
    if (result === "own") {
      return;
    }
    metrics.beats.inc({ result });
    metrics.peers.set(table.size);
    if (beat !== undefined && result === "taken") {
      metrics.homes.inc({ result }, takeHomes(beat, nowMs));
    }
  };
}

function turnOf({ session, chunkTokens, keys }: PeerHome, areKeysOurs: boolean): ForeignTurn {
  const chunks = areKeysOurs && chunkTokens > 0 ? keys.length : 0;
  return { sessionId: session, keys, chunks, chunkTokens, isExact: false };
}
