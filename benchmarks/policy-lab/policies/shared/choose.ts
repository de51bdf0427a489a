import type { Random } from "@warmpath/runtime/base";
import type { ReplicaView } from "../../types.ts";

/**
 * The healthy replica of least cost, a fair dice among equals; "hold" when none is healthy. Costs
 * are asked once per healthy replica, by index.
 */
export function cheapest(
  replicas: readonly ReplicaView[],
  random: Random,
  cost: (replica: number) => number,
): number | "hold" {
  let best = -1;
  let bestCost = Number.POSITIVE_INFINITY;
  let equals = 0;
  for (const { index, healthy } of replicas) {
    if (!healthy) continue;
    const its = cost(index);
    if (its < bestCost || best < 0) {
      best = index;
      bestCost = its;
      equals = 1;
    } else if (its === bestCost) {
      // The n-th of n equals replaces the chosen one with probability 1/n.
      equals += 1;
      if (random.next() * equals < 1) best = index;
    }
  }
  return best < 0 ? "hold" : best;
}

/** The number of healthy replicas. */
export function healthyCount(replicas: readonly ReplicaView[]): number {
  let count = 0;
  for (const { healthy } of replicas) if (healthy) count += 1;
  return count;
}

/** Index of the healthy replica number `position`, counted from 0; "hold" when there are fewer. */
export function healthyAt(replicas: readonly ReplicaView[], position: number): number | "hold" {
  let rest = position;
  for (const { index, healthy } of replicas) {
    if (healthy && rest-- === 0) return index;
  }
  return "hold";
}
