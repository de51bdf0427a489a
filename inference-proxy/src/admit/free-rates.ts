/** How often places come free for who waits, by group; what a wait can be estimated from. */
export interface FreeRates {
  /** A place of the group came free. */
  freed(group: string, nowMs: number): void;
  /** One who did not wait took a place, though others wait for one. */
  overtook(group: string, nowMs: number): void;
  /** Places per second lately; undefined until the first one came free. */
  perSecond(group: string, nowMs: number): number | undefined;
}

interface Rate {
  /** Places that came free, each worth less the longer ago it was. */
  count: number;
  atMs: number;
  readonly sinceMs: number;
}

/**
 * Time after which a freed place counts a third, in ms: long against one answer, short against a
 * change of load.
 */
const memoryMs = 20_000;
/** An answer or two say little: a rate is never taken over less than this. */
const leastMs = 1000;

/** Keeps two numbers a group; groups are the models served. */
export function createFreeRates(): FreeRates {
  const rates = new Map<string, Rate>();
  const countAt = ({ count, atMs }: Rate, nowMs: number) =>
    count * Math.exp((atMs - nowMs) / memoryMs);
  const add = (group: string, places: number, nowMs: number): void => {
    const rate = rates.get(group) ?? { count: 0, atMs: nowMs, sinceMs: nowMs };
    rates.set(group, rate);
    rate.count = Math.max(0, countAt(rate, nowMs) + places);
    rate.atMs = nowMs;
  };
  return {
    freed: (group, nowMs) => add(group, 1, nowMs),
    overtook: (group, nowMs) => add(group, -1, nowMs),
    perSecond: (group, nowMs) => {
      const rate = rates.get(group);
      if (rate === undefined) {
        return undefined;
      }
      // Time weighs as the places do: what was long ago counts little on both sides.
      const weighedMs = memoryMs * (1 - Math.exp((rate.sinceMs - nowMs) / memoryMs));
      return (countAt(rate, nowMs) * 1000) / Math.max(leastMs, weighedMs);
    },
  };
}
