import type { CacheIndex } from "@warmpath/inference-proxy/policy";
import type { CacheEvent } from "../../../engine/types.ts";

/** Applies one engine step's KV events. */
export function applyCacheEvents(
  index: CacheIndex,
  replica: number,
  events: readonly CacheEvent[],
): void {
  for (const event of events) {
    if (event.type === "removed") index.delete(replica, event.key);
    else if (event.type === "cleared") index.clear(replica);
    else for (const key of event.keys) index.add(replica, key);
  }
}
