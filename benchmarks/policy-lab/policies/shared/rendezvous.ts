import type { ReplicaView } from "../../types.ts";

/** A 32-bit hash of a text (FNV-1a). */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}

/** A 32-bit hash of a safe integer. */
export function hashNumber(value: number): number {
  return mix((value >>> 0) ^ Math.imul(Math.floor(value / 2 ** 32), 0x9e3779b1));
}

/**
 * Rendezvous hashing (Thaler and Ravishankar 1998, "highest random weight"): of the healthy
 * replicas the one with the highest hash of key and replica, so that a lost replica moves only its
 * own keys. "hold" when none is healthy.
 */
export function rendezvous(keyHash: number, replicas: readonly ReplicaView[]): number | "hold" {
  let best: number | "hold" = "hold";
  let bestWeight = -1;
  for (const { index, healthy } of replicas) {
    if (!healthy) continue;
    const weight = mix(keyHash ^ Math.imul(index + 1, 0x9e3779b1));
    if (weight > bestWeight) {
      best = index;
      bestWeight = weight;
    }
  }
  return best;
}

/** The finaliser of MurmurHash3: every bit of the input moves every bit of the output. */
function mix(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
