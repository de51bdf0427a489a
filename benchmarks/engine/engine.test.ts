/**
 * Goal: the engine does what a real vLLM was seen to do.
 * Method: one test for each fact of the reference's measurements, with jitter switched off.
 */
import { describe, expect, test } from "bun:test";
import { createChainSpace, createEngine, tiny } from "./index.ts";
import type { CacheEvent, EngineObserver, EngineOptions, EngineRequest } from "./types.ts";

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
      engine.add(
        requestOf(
          2,
          [
            [prompt, prompt],
            [1e9 + 1, output],
            [7, 200],
          ],
          5,
        ),
        10_000,
      );
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
});
