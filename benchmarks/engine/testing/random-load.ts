import { type Random, seededRandom } from "@warmpath/runtime/base";
import type { Segment } from "../../workloads/types.ts";
import { createChainSpace } from "../chain-space.ts";
import { tiny } from "../profiles.ts";
import type { EngineOptions, EngineRequest } from "../types.ts";

/**
 * A small engine and requests for it that share prefixes, fill it up and get in each other's way.
 */
export interface RandomLoad {
  readonly options: EngineOptions;
  readonly requests: readonly EngineRequest[];
  /** Ascending; one for each request. */
  readonly arrivalsMs: readonly number[];
  /** Some requests leave, at some time after they came. */
  readonly abortsMs: ReadonlyMap<number, number>;
}

/** The same load for the same seed. */
export function randomLoad(seed: number): RandomLoad {
  const random = seededRandom(`load ${seed}`);
  const blockTokens = pick(random, [1, 2, 4, 16]);
  const blocks = between(random, 12, 60);
  const stepTokensMax = between(random, 8, 80);
  const options: EngineOptions = {
    profile: { ...tiny, apiBeforeUs: 0, apiAfterUs: 0 },
    seed,
    blocks,
    blockTokens,
    stepTokensMax,
    sequencesMax: between(random, 1, Math.min(8, stepTokensMax)),
    policy: pick(random, ["fcfs", "priority"]),
    prefixCaching: random.next() < 0.9,
    reservesWholePrompt: random.next() < 0.7,
    ...(random.next() < 0.3 ? { prefillChunkTokensMax: between(random, 3, 30) } : {}),
  };
  const requests = randomRequests(random, blocks * blockTokens, blockTokens);
  // Now crowded, now with pauses in which the engine falls idle.
  const spreadMs = pick(random, [0, 3, 10, 40]);
  let atMs = 0;
  const arrivalsMs = requests.map(() => (atMs += spreadMs * random.next()));
  const abortsMs = new Map<number, number>();
  requests.forEach(({ id }, index) => {
    if (random.next() < 0.3) abortsMs.set(id, (arrivalsMs[index] ?? 0) + 60 * random.next());
  });
  return { options, requests, arrivalsMs, abortsMs };
}

function randomRequests(random: Random, capacity: number, blockTokens: number): EngineRequest[] {
  const space = createChainSpace({ blockTokens });
  const bases = Array.from({ length: 3 }, (_, content) => ({
    content,
    tokens: between(random, 1, Math.max(1, Math.floor(capacity / 4))),
  }));
  const histories: Segment[][] = [];
  return Array.from({ length: between(random, 3, 25) }, (_, id) => {
    const earlier = random.next() < 0.4 ? pick(random, [[], ...histories]) : [];
    const own = { content: 1000 + id, tokens: between(random, 1, Math.ceil(capacity / 4)) };
    let prompt = [...(earlier.length > 0 ? earlier : [pick(random, bases)]), own];
    let outputTokens = between(random, 1, 40);
    if (tokensOf(prompt) + outputTokens > capacity) prompt = [{ ...own, tokens: 1 }];
    outputTokens = Math.min(outputTokens, capacity - tokensOf(prompt));
    // Now and then the very same prompt again.
    const isRepeat = random.next() < 0.2;
    const segments = isRepeat ? prompt.slice(0, 1) : prompt;
    const answer = { content: 2000 + id, tokens: outputTokens };
    histories.push([...segments, answer]);
    return {
      id,
      chain: space.chainOf([...segments, answer]),
      promptTokens: tokensOf(segments),
      outputTokens,
      priority: between(random, 0, 3),
    };
  });
}

function tokensOf(segments: readonly Segment[]): number {
  return segments.reduce((sum, { tokens }) => sum + tokens, 0);
}

/** A whole number, both ends included. */
export function between(random: Random, low: number, high: number): number {
  return low + Math.floor(random.next() * (high - low + 1));
}

function pick<T>(random: Random, values: readonly T[]): T {
  const value = values[Math.floor(random.next() * values.length)];
  if (value === undefined) throw new Error("nothing to pick from");
  return value;
}
