/**
 * The only source of chance, so that a seed replays a simulation. Not for secrets: use
 * `node:crypto` there.
 */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
}

/** Chance that differs from run to run. */
export const systemRandom: Random = { next: () => Math.random() };

/**
 * The same sequence for the same seed, on every platform (mulberry32 over an FNV-1a hash of the
 * seed).
 */
export function seededRandom(seed: number | string): Random {
  let state = fnv1a(String(seed));
  return {
    next() {
      state = (state + 0x6d2b79f5) >>> 0;
      let t = state;
      t = Math.imul(t ^ (t >>> 15), t | 1);
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
      return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    },
  };
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193) >>> 0;
  }
  return hash;
}

/**
 * Delay before retry number `attempt` (from 0): doubles from `baseMs` up to `maxMs`, then a random
 * half of it is taken off, so that many retriers do not march in step.
 */
export function backoffMs(attempt: number, baseMs: number, maxMs: number, random: Random): number {
  const full = Math.min(maxMs, baseMs * 2 ** Math.min(attempt, 30));
  return full / 2 + (full / 2) * random.next();
}
