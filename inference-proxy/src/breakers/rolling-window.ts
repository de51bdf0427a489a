import { logBucketOf, logBuckets, quantileOf } from "../learn/log-buckets.ts";

/** Requests of the last while: how many, how many failed, and how long first events took. */
export interface RollingWindow {
  add(nowMs: number, isFailure: boolean, firstEventMs: number | undefined): void;
  counts(nowMs: number): { readonly requests: number; readonly failures: number };
  /** Undefined with fewer than `samplesMin` first events. */
  firstEventQuantile(nowMs: number, q: number, samplesMin: number): number | undefined;
  clear(): void;
}

/** Slots of a window: what is forgotten goes by a tenth of it at a time. */
const slotCount = 10;

interface Slot {
  startMs: number;
  requests: number;
  failures: number;
  samples: number;
  readonly firstEvents: Uint32Array;
}

/** A ring of slots, about 4 KB. */
export function createRollingWindow(windowMs: number): RollingWindow {
  const slotMs = windowMs / slotCount;
  const slots: Slot[] = Array.from({ length: slotCount }, () => ({
    startMs: Number.NEGATIVE_INFINITY,
    requests: 0,
    failures: 0,
    samples: 0,
    firstEvents: new Uint32Array(logBuckets),
  }));

  const empty = (slot: Slot, startMs: number) => {
    slot.startMs = startMs;
    slot.requests = 0;
    slot.failures = 0;
    slot.samples = 0;
    slot.firstEvents.fill(0);
  };
  const current = (nowMs: number): Slot | undefined => {
    const turn = Math.floor(nowMs / slotMs);
    const slot = slots[turn % slotCount];
    if (slot !== undefined && slot.startMs !== turn * slotMs) {
      empty(slot, turn * slotMs);
    }
    return slot;
  };
  const live = (nowMs: number) => slots.filter(({ startMs }) => startMs > nowMs - windowMs);

  return {
    add: (nowMs, isFailure, firstEventMs) => {
      const slot = current(nowMs);
      if (slot === undefined) {
        return;
      }
      slot.requests += 1;
      slot.failures += isFailure ? 1 : 0;
      if (firstEventMs !== undefined) {
        const bucket = logBucketOf(firstEventMs);
        slot.samples += 1;
        slot.firstEvents[bucket] = (slot.firstEvents[bucket] ?? 0) + 1;
      }
    },
    counts: (nowMs) => {
      let requests = 0;
      let failures = 0;
      for (const slot of live(nowMs)) {
        requests += slot.requests;
        failures += slot.failures;
      }
      return { requests, failures };
    },
    firstEventQuantile: (nowMs, q, samplesMin) => {
      const all = new Float64Array(logBuckets);
      let samples = 0;
      for (const slot of live(nowMs)) {
        samples += slot.samples;
        for (let bucket = 0; bucket < logBuckets; bucket += 1) {
          all[bucket] = (all[bucket] ?? 0) + (slot.firstEvents[bucket] ?? 0);
        }
      }
      return samples < samplesMin ? undefined : quantileOf(all, q);
    },
    clear: () => {
      for (const slot of slots) {
        empty(slot, Number.NEGATIVE_INFINITY);
      }
    },
  };
}
