/**
 * Goal: the engine does what a real vLLM was seen to do.
 * Method: one test for each fact of the reference's measurements, with jitter switched off.
 */
import { describe, expect, test } from "bun:test";
import { WarmpathError } from "@warmpath/runtime/base";
import {
  createChainSpace,
  createEngine,
  llama8bH100,
  llama8bH200,
  llama70bTp4H100,
  llama70bTp4H200,
  stepTimeUs,
  tiny,
} from "./index.ts";
import { Jitter } from "./jitter.ts";
import type {
  CacheEvent,
  EngineObserver,
  EngineOptions,
  EngineRequest,
  StepsRecord,
} from "./types.ts";

const space = createChainSpace();

function requestOf(
  id: number,
  prompt: readonly (readonly [content: number, tokens: number])[],
  outputTokens: number,
  more: Partial<EngineRequest> = {},
): EngineRequest {
  const segments = prompt.map(([content, tokens]) => ({ content, tokens }));
  return {
    id,
    chain: space.chainOf([...segments, { content: 1e9 + id, tokens: outputTokens }]),
    promptTokens: segments.reduce((sum, { tokens }) => sum + tokens, 0),
    outputTokens,
    ...more,
  };
}

/** An engine whose tellings are kept. */
function recordedEngine(options: Partial<EngineOptions> = {}, more: EngineObserver = {}) {
  const cached = new Map<number, number[]>();
  const ended: number[] = [];
  const events: CacheEvent[][] = [];
  const engine = createEngine(
    { profile: tiny, seed: 1, jitterSigma: 0, ...options },
    {
      onAdmitted: (id, _nowMs, tokens) => cached.set(id, [...(cached.get(id) ?? []), tokens]),
      onEnded: (id) => ended.push(id),
      onCacheEvents: (batch) => events.push([...batch]),
      ...more,
    },
  );
  return { engine, cached, ended, events };
}

/** Events of some kind, over all batches. */
function eventsOf<T extends CacheEvent["type"]>(events: readonly CacheEvent[][], type: T) {
  return events.flat().filter((event): event is CacheEvent & { type: T } => event.type === type);
}

describe("prefix cache", () => {
  test("a next turn hits prompt and answer up to the answer's last token, in whole blocks", () => {
    for (const [prompt, output] of [
      [100, 28],
      [100, 29],
      [100, 30],
      [96, 1],
      [96, 17],
    ] as const) {
      const { engine, cached } = recordedEngine();
      engine.add(requestOf(1, [[prompt, prompt]], output), 0);
      engine.advance(10_000);
      const answer = [1e9 + 1, output] as const;
      engine.add(requestOf(2, [[prompt, prompt], answer, [7, 200]], 5), 10_000);
      engine.advance(20_000);
      expect(cached.get(2)).toEqual([Math.floor((prompt + output - 1) / 16) * 16]);
    }
  });

  test("of three equal prompts sent together one is computed, the others hit it while it is", () => {
    const { engine, cached } = recordedEngine();
    for (const id of [1, 2, 3]) engine.add(requestOf(id, [[1, 3500]], 4), 0);
    engine.advance(10_000);
    expect([...cached.values()]).toEqual([[0], [3488], [3488]]);
  });

  test("an exact multiple recomputes its last block and stores it again; one copy is enough", () => {
    const { engine, cached, events } = recordedEngine({ blocks: 8 });
    engine.add(requestOf(1, [[1, 64]], 1), 0);
    engine.advance(1000);
    engine.add(requestOf(2, [[1, 64]], 1), 1000);
    engine.advance(2000);
    expect(cached.get(2)).toEqual([48]);
    const [first, again] = eventsOf(events, "stored");
    expect(again?.keys).toEqual(first?.keys.slice(3));
    expect(again?.parentKey).toBe(first?.keys[2]);
    // Four blocks: three that were never used, and the older copy.
    engine.add(requestOf(3, [[2, 60]], 1), 2000);
    engine.advance(3000);
    const longer = requestOf(
      4,
      [
        [1, 64],
        [3, 1],
      ],
      1,
    );
    expect(engine.cachedTokens(longer.chain, longer.promptTokens)).toBe(64);
    expect(eventsOf(events, "removed").map(({ key }) => key)).toEqual([first?.keys[3] ?? -1]);
  });

  test("a finished chain is evicted tail first, after blocks that were never used", () => {
    const { engine, events } = recordedEngine({ blocks: 20 });
    engine.add(requestOf(1, [[1, 160]], 1), 0);
    engine.advance(1000);
    const [stored] = eventsOf(events, "stored");
    engine.add(requestOf(2, [[2, 160]], 1), 1000);
    engine.advance(2000);
    expect(eventsOf(events, "removed")).toEqual([]);
    engine.add(requestOf(3, [[3, 160]], 1), 2000);
    engine.advance(3000);
    const removed = eventsOf(events, "removed").map(({ key }) => key);
    expect(removed).toEqual(stored?.keys.toReversed() ?? []);
  });

  test("different salts never share a block", () => {
    const { engine, cached } = recordedEngine();
    ["tenant-a", "tenant-b", "tenant-a"].forEach((salt, id) => {
      const segments = [
        { content: 1, tokens: 100 },
        { content: 50 + id, tokens: 1 },
      ];
      const chain = space.chainOf(segments, { salt });
      engine.add({ id, chain, promptTokens: 100, outputTokens: 1 }, id * 1000);
      engine.advance(id * 1000 + 900);
    });
    expect([...cached.values()]).toEqual([[0], [0], [96]]);
  });

  test("clearing works while nothing is in use, and is told with the next step's events", () => {
    const { engine, cached, events } = recordedEngine();
    engine.add(requestOf(1, [[1, 100]], 50), 0);
    engine.advance(20);
    expect(engine.clearCache()).toBe(false);
    engine.advance(1000);
    const before = events.length;
    expect(engine.clearCache()).toBe(true);
    engine.advance(2000);
    expect(events).toHaveLength(before);
    engine.add(requestOf(2, [[1, 100]], 1), 2000);
    engine.advance(3000);
    expect(cached.get(2)).toEqual([0]);
    expect(events[before]?.map(({ type }) => type)).toEqual(["cleared", "stored"]);
  });

  test("switched off, nothing is hit and nothing is told", () => {
    const { engine, cached, events } = recordedEngine({ prefixCaching: false });
    for (const id of [1, 2]) engine.add(requestOf(id, [[1, 100]], 40), 0);
    engine.advance(10_000);
    expect([...cached.values()]).toEqual([[0], [0]]);
    expect(events).toEqual([]);
  });
});

describe("steps", () => {
  test("a prompt of 3,500 tokens at 1,024 a step tells four batches, each before its compute", () => {
    const at: number[] = [];
    let firstMs = 0;
    const { engine } = recordedEngine(
      { stepTokensMax: 1024 },
      { onCacheEvents: (_, nowMs) => at.push(nowMs), onFirstToken: (_, atMs) => (firstMs = atMs) },
    );
    engine.add(requestOf(1, [[1, 3500]], 1), 0);
    engine.advance(10_000);
    expect(at).toHaveLength(4);
    expect(at[0]).toBe(0);
    expect(firstMs).toBeGreaterThan(at[3] ?? Number.POSITIVE_INFINITY);
  });

  test("a long prompt's chunks leave room for others under a chunk limit", () => {
    const steps: StepsRecord[] = [];
    const { engine, ended } = recordedEngine(
      { stepTokensMax: 1024, prefillChunkTokensMax: 256 },
      { onSteps: (record) => steps.push(record) },
    );
    engine.add(requestOf(1, [[1, 2000]], 1), 0);
    engine.add(requestOf(2, [[2, 100]], 1), 0);
    engine.advance(10_000);
    expect(ended).toEqual([2, 1]);
    expect(steps[0]?.prefillTokens).toBe(356);
  });

  test("take as long as the profile says, times the slowdown, between the API server's parts", () => {
    const profile = { ...tiny, apiBeforeUs: 9000, apiAfterUs: 6000 };
    const stepUs = stepTimeUs(profile, {
      tokens: 100,
      contextTokens: 0,
      attention: 5000,
      sequences: 1,
    });
    for (const slowdown of [1, 3]) {
      let firstMs = 0;
      const { engine } = recordedEngine(
        { profile, slowdown },
        { onFirstToken: (_, atMs) => (firstMs = atMs) },
      );
      engine.add(requestOf(1, [[1, 100]], 1), 1000);
      expect(engine.busyUntilMs).toBe(1009);
      engine.advance(10_000);
      expect(firstMs).toBeCloseTo(1000 + 9 + (slowdown * stepUs) / 1000 + 6, 6);
    }
  });

  test("alike ones are told together, and add up to every token", () => {
    const steps: StepsRecord[] = [];
    const { engine } = recordedEngine({}, { onSteps: (record) => steps.push(record) });
    engine.add(requestOf(1, [[1, 100]], 200), 0);
    engine.advance(10_000);
    expect(steps.map((record) => record.steps)).toEqual([1, 199]);
    expect(steps[1]).toMatchObject({ decodeSequences: 1, prefillTokens: 0 });
    expect(steps[1]?.startMs).toBe(steps[0]?.endMs);
  });

  test("jitter keeps the mean, and a hiccup takes 20 to 60 ms more", () => {
    const jitter = new Jitter({ seed: 1, sigma: 0.03, hiccupsPerStep: 0.01 });
    const steps = Array.from({ length: 50_000 }, () => jitter.stepMs(10));
    const smooth = steps.filter((ms) => ms < 20);
    const mean = smooth.reduce((sum, ms) => sum + ms, 0) / smooth.length;
    expect(mean).toBeCloseTo(10, 1);
    expect(1 - smooth.length / steps.length).toBeCloseTo(0.01, 2);
    const spread = Math.sqrt(smooth.reduce((sum, ms) => sum + (ms - mean) ** 2, 0) / smooth.length);
    expect(spread / mean).toBeCloseTo(0.03, 2);
    expect(Math.max(...steps)).toBeLessThan(10 * 1.2 + 60);
  });
});

describe("order", () => {
  test("priority first, then arrival; arrival alone under fcfs", () => {
    for (const [policy, order] of [
      ["priority", [2, 4, 1, 3]],
      ["fcfs", [1, 2, 3, 4]],
    ] as const) {
      const { engine, ended } = recordedEngine({ policy, sequencesMax: 1 });
      [5, 1, 5, 1].forEach((priority, index) => {
        engine.add(requestOf(index + 1, [[index, 50]], 2, { priority }), 0);
      });
      engine.advance(10_000);
      expect(ended).toEqual([...order]);
    }
  });

  test("an urgent request overtakes those that fill the cache, by preemption, and all finish", () => {
    const preempted: number[] = [];
    const { engine, ended } = recordedEngine(
      { policy: "priority", blocks: 60 },
      { onPreempted: (id) => preempted.push(id) },
    );
    for (const id of [1, 2, 3, 4, 5]) {
      engine.add(requestOf(id, [[id, 160]], 100, { priority: 5 }), 0);
    }
    engine.advance(50);
    engine.add(requestOf(6, [[6, 80]], 40, { priority: 0 }), 50);
    engine.advance(100_000);
    expect(ended[0]).toBe(6);
    expect(preempted.length).toBeGreaterThan(0);
    expect(preempted).not.toContain(6);
    expect(ended.toSorted()).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test("under fcfs the last one admitted is preempted, resumes first and hits its own blocks", () => {
    const preempted: number[] = [];
    const { engine, cached, ended } = recordedEngine(
      { blocks: 24 },
      { onPreempted: (id) => preempted.push(id) },
    );
    for (const id of [1, 2, 3]) engine.add(requestOf(id, [[id, 100]], 60), 0);
    engine.advance(100_000);
    expect(preempted[0]).toBe(3);
    expect(cached.get(3)?.[1]).toBeGreaterThan(0);
    expect(ended).toEqual([1, 2, 3]);
  });
});

describe("leaving", () => {
  test("an abort frees at the next step and silences the rest", () => {
    const told: string[] = [];
    const { engine } = recordedEngine(
      {},
      {
        onTokens: (id, atMs) => told.push(`${id} token ${atMs < 30 ? "before" : "after"}`),
        onEnded: (id, _atMs, reason) => told.push(`${id} ${reason}`),
      },
    );
    engine.add(requestOf(1, [[1, 100]], 1000), 0);
    engine.advance(30);
    const used = engine.load.blocksUsed;
    engine.abort(1, 30);
    engine.abort(99, 30);
    expect(engine.load.blocksUsed).toBe(used);
    engine.advance(engine.busyUntilMs ?? 0);
    expect(engine.load).toMatchObject({ running: 0, blocksUsed: 0 });
    expect(told.at(-1)).toBe("1 aborted");
    expect(told.filter((line) => line.endsWith("after"))).toEqual([]);
  });

  test("an idle engine lets go at once of one that is on its way in", () => {
    const { engine, ended } = recordedEngine({ profile: { ...tiny, apiBeforeUs: 9000 } });
    engine.add(requestOf(1, [[1, 100]], 10), 0);
    engine.abort(1, 1);
    expect(ended).toEqual([1]);
    expect(engine.busyUntilMs).toBeUndefined();
  });
});

describe("refusals", () => {
  test("what can never fit, what is there already, and what is no number", () => {
    const { engine } = recordedEngine({ blocks: 10 });
    const reasonOf = (request: EngineRequest) => {
      try {
        engine.add(request, 0);
        return undefined;
      } catch (error) {
        return WarmpathError.from(error).reason;
      }
    };
    expect(reasonOf(requestOf(1, [[1, 100]], 62))).toBe("rejected-too-large");
    // The last token of an answer needs no room.
    expect(reasonOf(requestOf(1, [[1, 100]], 61))).toBeUndefined();
    expect(reasonOf(requestOf(1, [[1, 100]], 1))).toBe("rejected-already-exists");
    expect(reasonOf({ ...requestOf(2, [[1, 100]], 1), promptTokens: 0 })).toBe("rejected-invalid");
    const other = createChainSpace({ blockTokens: 32 }).chainOf([{ content: 1, tokens: 50 }]);
    expect(reasonOf({ ...requestOf(3, [[1, 50]], 1), chain: other })).toBe("rejected-invalid");
  });

  test("limits under which not every sequence would get its token in a step", () => {
    const options = { profile: tiny, seed: 1, stepTokensMax: 8, sequencesMax: 9 };
    expect(() => createEngine(options, {})).toThrow("sequencesMax 9 > stepTokensMax 8");
  });
});

test("an H200 profile is faster than its H100, holds more, and is marked as not measured", () => {
  for (const [h100, h200] of [
    [llama8bH100, llama8bH200],
    [llama70bTp4H100, llama70bTp4H200],
  ] as const) {
    const batch = { tokens: 64, contextTokens: 128_000, attention: 0, sequences: 64 };
    expect(stepTimeUs(h200, batch)).toBeLessThan(stepTimeUs(h100, batch));
    expect(h200.blocks).toBeGreaterThan(h100.blocks);
    expect([h100.isExtrapolated, h200.isExtrapolated]).toEqual([false, true]);
  }
});
