import type { Clock } from "@warmpath/runtime/base";
import type { ModelState, Room } from "./types.ts";

/** Since when models have had no room. */
export interface RoomLog {
  /** Takes in how a model is now, and says for how long it has been so. */
  note(model: string, room: Room): ModelState;
}

/**
 * Remembers one time for each model of the table. Somebody has to look: with each request, and with
 * each change of an upstream.
 */
export function createRoomLog(clock: Clock): RoomLog {
  const blockedSinceMs = new Map<string, number>();
  return {
    note: (model, room) => {
      if (room === "free") {
        blockedSinceMs.delete(model);
        return { room, blockedMs: 0 };
      }
      const nowMs = clock.monotonicMs();
      const sinceMs = blockedSinceMs.get(model) ?? nowMs;
      blockedSinceMs.set(model, sinceMs);
      return { room, blockedMs: nowMs - sinceMs };
    },
  };
}
