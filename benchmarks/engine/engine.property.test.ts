/**
 * Goal: whatever the load, the engine keeps its books right and does the same for the same seed.
 * Method: hundreds of small random loads that fill the cache, preempt and abort; the log of each is
 * held against a plain second telling of the engine and against what must always be true.
 */
import { describe, expect, test } from "bun:test";
import { seededRandom } from "@warmpath/runtime/base";
import { createEngine } from "./index.ts";
import { NaiveEngine } from "./testing/naive-engine.ts";
import { type RandomLoad, randomLoad } from "./testing/random-load.ts";
import type { CacheEvent, Engine, EngineObserver, EngineOptions } from "./types.ts";

const loads = 300;

type Entry =
  | { readonly admitted: number; readonly at: number; readonly cached: number }
  | { readonly preempted: number; readonly at: number }
  | { readonly token: number; readonly at: number }
  | { readonly first: number; readonly at: number }
  | { readonly ended: number; readonly at: number; readonly reason: string }
  | { readonly events: readonly CacheEvent[]; readonly at: number };

function logged(options: EngineOptions, wantsTokens: boolean): { engine: Engine; log: Entry[] } {
  const log: Entry[] = [];
  const observer: EngineObserver = {
    onAdmitted: (admitted, at, cached) => log.push({ admitted, at, cached }),
    onPreempted: (preempted, at) => log.push({ preempted, at }),
    onFirstToken: (first, at) => log.push({ first, at }),
    onEnded: (ended, at, reason) => log.push({ ended, at, reason }),
    onCacheEvents: (events, at) => log.push({ events, at }),
  };
  const onTokens = (token: number, at: number) => log.push({ token, at });
  const engine = createEngine(options, wantsTokens ? { ...observer, onTokens } : observer);
  return { engine, log };
}

/** Arrivals and aborts of a load in the order of time. */
function callsOf(load: RandomLoad): readonly { atMs: number; call: (engine: Engine) => void }[] {
  const calls = load.requests.map((request, index) => {
    const atMs = load.arrivalsMs[index] ?? 0;
    return { atMs, call: (engine: Engine) => engine.add(request, atMs) };
  });
  for (const [id, atMs] of load.abortsMs) {
    calls.push({ atMs, call: (engine) => engine.abort(id, atMs) });
  }
  return calls.toSorted((left, right) => left.atMs - right.atMs);
}

/** Runs a load, asking for `advance` at the given times besides. */
function play(load: RandomLoad, engine: Engine, alsoAt: readonly number[], look = () => {}): void {
  const calls = [...callsOf(load), ...alsoAt.map((atMs) => ({ atMs, call: () => {} }))].toSorted(
    (left, right) => left.atMs - right.atMs,
  );
  for (const { atMs, call } of calls) {
    engine.advance(atMs);
    call(engine);
    look();
  }
  engine.advance(Number.POSITIVE_INFINITY);
  look();
}

test("logs what a plain second telling of the engine logs", () => {
  for (let seed = 0; seed < loads; seed++) {
    const { options, requests, arrivalsMs } = randomLoad(seed);
    const still = { ...options, jitterSigma: 0 };
    const { engine, log } = logged(still, true);
    for (const [index, request] of requests.entries()) engine.add(request, arrivalsMs[index] ?? 0);
    engine.advance(Number.POSITIVE_INFINITY);
    const wanted = new NaiveEngine(still).run(requests, arrivalsMs);
    const got = log.flatMap((entry): readonly unknown[] => {
      if ("first" in entry) return [];
      return "ended" in entry ? [{ ended: entry.ended, at: entry.at }] : [entry];
    });
    expect({ seed, log: cappedHits(got, requests) }).toEqual({
      seed,
      log: cappedHits(wanted, requests),
    });
  }
});

/** A resumed request may hit answer tokens too; what is told is hits of its prompt. */
function cappedHits(log: readonly unknown[], requests: RandomLoad["requests"]): readonly unknown[] {
  const prompts = new Map(requests.map(({ id, promptTokens }) => [id, promptTokens]));
  return (log as readonly Entry[]).map((entry) =>
    "admitted" in entry
      ? { ...entry, cached: Math.min(entry.cached, (prompts.get(entry.admitted) ?? 0) - 1) }
      : entry,
  );
}

describe("books", () => {
  test("every request ends once, with all its tokens unless it was aborted", () => {
    for (let seed = 0; seed < loads; seed++) {
      const load = randomLoad(seed);
      const { engine, log } = logged(load.options, true);
      play(load, engine, []);
      for (const { id, outputTokens } of load.requests) {
        const own = log.filter((entry) => "ended" in entry && entry.ended === id);
        const [end] = own;
        const tokens = log.filter((entry) => "token" in entry && entry.token === id);
        expect({ seed, id, ends: own.length }).toEqual({ seed, id, ends: 1 });
        const isFinished = end !== undefined && "reason" in end && end.reason === "finished";
        if (isFinished)
          expect({ seed, id, tokens: tokens.length }).toEqual({ seed, id, tokens: outputTokens });
        else expect(load.abortsMs.has(id)).toBe(true);
        if (end !== undefined)
          expect(Math.max(0, ...tokens.map(({ at }) => at))).toBeLessThanOrEqual(end.at);
      }
    }
  });

  test("no more blocks and sequences than there are, and none left behind", () => {
    for (let seed = 0; seed < loads; seed++) {
      const load = randomLoad(seed);
      const { engine } = logged(load.options, false);
      play(load, engine, slices(seed, load), () => {
        const { blocksUsed, blocks, running } = engine.load;
        expect(blocksUsed).toBeLessThanOrEqual(blocks);
        expect(running).toBeLessThanOrEqual(load.options.sequencesMax ?? 0);
      });
      expect(engine.load).toMatchObject({ running: 0, waiting: 0, blocksUsed: 0 });
      expect(engine.busyUntilMs).toBeUndefined();
    }
  });

  test("hits stop short of the prompt's last token and of the cache they replay to", () => {
    for (let seed = 0; seed < loads; seed++) {
      const load = randomLoad(seed);
      const { engine, log } = logged(load.options, false);
      play(load, engine, slices(seed, load), () => {
        const copies = replayed(log);
        for (const { chain, promptTokens } of load.requests) {
          const hits = hitsOf(copies, load.options.blockTokens ?? 16, chain, promptTokens);
          expect(engine.cachedTokens(chain, promptTokens)).toBe(hits);
          expect(hits).toBeLessThan(promptTokens);
        }
        expect([...copies.values()].every((count) => count > 0)).toBe(true);
      });
    }
  });

  test("no step computes more than the budget", () => {
    for (let seed = 0; seed < loads; seed++) {
      const load = randomLoad(seed);
      const sums: number[] = [];
      const engine = createEngine(load.options, {
        onSteps: ({ steps, decodeSequences, prefillTokens, startMs, endMs }) => {
          sums.push(decodeSequences + prefillTokens / steps);
          expect(endMs).toBeGreaterThan(startMs);
        },
      });
      play(load, engine, []);
      expect(Math.max(...sums)).toBeLessThanOrEqual(load.options.stepTokensMax ?? 0);
    }
  });
});

describe("determinism", () => {
  test("the same seed gives the same log, however the caller slices time", () => {
    for (let seed = 0; seed < loads; seed++) {
      const load = randomLoad(seed);
      const once = logged(load.options, false);
      play(load, once.engine, []);
      const sliced = logged(load.options, false);
      play(load, sliced.engine, slices(seed, load));
      expect({ seed, log: sliced.log }).toEqual({ seed, log: once.log });
    }
  });

  test("telling every token changes nothing else", () => {
    for (let seed = 0; seed < loads; seed++) {
      const load = randomLoad(seed);
      const without = logged(load.options, false);
      play(load, without.engine, []);
      const each = logged(load.options, true);
      play(load, each.engine, []);
      const rest = each.log.filter((entry) => !("token" in entry));
      expect({ seed, log: rest }).toEqual({ seed, log: without.log });
    }
  });

  test("another seed gives other times", () => {
    const load = randomLoad(1);
    const ends = [1, 2].map((seed) => {
      const { engine, log } = logged({ ...load.options, seed }, false);
      play(load, engine, []);
      return log.at(-1)?.at;
    });
    expect(ends[0]).not.toBe(ends[1]);
  });
});

/** Times at which a caller could look in. */
function slices(seed: number, load: RandomLoad): readonly number[] {
  const random = seededRandom(`slices ${seed}`);
  const lastMs = (load.arrivalsMs.at(-1) ?? 0) + 300;
  return Array.from({ length: 40 }, () => random.next() * lastMs);
}

/** Copies of each key after all events so far. */
function replayed(log: readonly Entry[]): ReadonlyMap<number, number> {
  const copies = new Map<number, number>();
  for (const event of log.flatMap((entry) => ("events" in entry ? entry.events : []))) {
    if (event.type === "cleared") copies.clear();
    else if (event.type === "removed") {
      const left = (copies.get(event.key) ?? 0) - 1;
      if (left === 0) copies.delete(event.key);
      else copies.set(event.key, left);
    } else {
      for (const key of event.keys) copies.set(key, (copies.get(key) ?? 0) + 1);
    }
  }
  return copies;
}

function hitsOf(
  copies: ReadonlyMap<number, number>,
  blockTokens: number,
  chain: RandomLoad["requests"][number]["chain"],
  promptTokens: number,
): number {
  let hits = 0;
  while ((hits + 1) * blockTokens < promptTokens && copies.has(chain.key(hits))) hits += 1;
  return hits * blockTokens;
}
