import type { Reused } from "../call/reuse.ts";
import { cacheHeader } from "./choose-reuse.ts";

/** How near a semantic hit's question is to the one that was asked, from 0 to 1. */
export const similarityHeader = "x-warmpath-cache-similarity";

/** The response headers that say where an answer comes from. */
export function reuseHeaders(reused: Reused): Record<string, string> {
  switch (reused.from) {
    case "upstream":
      return { [cacheHeader]: "miss" };
    case "flight":
      return { [cacheHeader]: "shared" };
    case "store":
      return {
        [cacheHeader]: reused.similarity === undefined ? "hit" : "semantic",
        age: String(Math.floor(reused.ageMs / 1000)),
        ...(reused.similarity === undefined
          ? {}
          : { [similarityHeader]: reused.similarity.toFixed(4) }),
      };
  }
}
