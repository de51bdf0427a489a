import { WarmpathError } from "@warmpath/runtime/base";
import type { ReplicaAddress } from "./replica.ts";

/** vLLM's header for the rank that is to serve a request; one that does not exist answers 400. */
export const rankHeader = "x-data-parallel-rank";

/** The largest deployments have some dozens. */
const ranksMax = 256;

/**
 * The addresses, with one for each data-parallel rank of those for which `items` say how many they
 * have (`host:port=4`): named `host:port#0` and so on, each with a cache and requests of its own,
 * since an engine's own balancer does not look at what is cached. Throws `rejected-config`.
 */
export function splitRanks(
  addresses: readonly ReplicaAddress[],
  items: readonly string[],
): readonly ReplicaAddress[] {
  const counts = new Map<string, number>();
  for (const item of items) {
    const at = item.lastIndexOf("=");
    const name = item.slice(0, Math.max(0, at));
    const count = Number(item.slice(at + 1));
    if (!addresses.some((address) => address.name === name)) {
      throw fault(`${JSON.stringify(name)} is no upstream: write host:port of one`);
    }
    if (!Number.isInteger(count) || count < 1 || count > ranksMax) {
      throw fault(`${name} has 1 to ${ranksMax} ranks`);
    }
    counts.set(name, count);
  }
  return addresses.flatMap((address) => {
    const count = counts.get(address.name);
    return count === undefined
      ? [address]
      : Array.from({ length: count }, (_, rank) => ({
          ...address,
          name: `${address.name}#${rank}`,
          rank,
        }));
  });
}

function fault(what: string): WarmpathError {
  return new WarmpathError("rejected-config", `WARMPATH_DATA_PARALLEL_RANKS: ${what}`);
}
