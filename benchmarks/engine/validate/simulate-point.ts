import { seededRandom } from "@warmpath/runtime/base";
import { quantileOf } from "../../report/statistics.ts";
import { createChainSpace } from "../chain-space.ts";
import { createEngine } from "../engine.ts";
import type { EngineProfile } from "../types.ts";
import type { MeasuredPoint } from "./measured.ts";

/** What the model says about one point, in ms. */
export interface SimulatedPoint {
  readonly ttftMeanMs: number;
  readonly ttftP90Ms: number;
  readonly ttftP99Ms: number;
  readonly itlMeanMs: number;
  readonly e2eMeanMs: number;
}

/** `max_num_seqs` of the measured servers. */
const sequencesMax = 128;

interface LoadOptions {
  readonly seed: number;
  readonly requests: number;
  /** So many prompts come round and round; default: none comes twice. */
  readonly distinctPrompts?: number;
}

interface Timing {
  readonly sentMs: number;
  firstTokenMs: number;
}

/**
 * Runs one measured point's load through the engine. Requests come as the load generator's
 * "constant" type sends them: exponential gaps, scaled so that they fill the stage exactly.
 */
export function simulatePoint(
  point: MeasuredPoint,
  profile: EngineProfile,
  { seed, requests, distinctPrompts }: LoadOptions,
): SimulatedPoint {
  const random = seededRandom(seed);
  const space = createChainSpace();
  const timings = new Map<number, Timing>();
  const ttft: number[] = [];
  let e2eSum = 0;
  const engine = createEngine(
    { profile, seed, stepTokensMax: point.stepTokensMax, sequencesMax },
    {
      onFirstToken(id, atMs) {
        const timing = timings.get(id);
        if (timing !== undefined) timing.firstTokenMs = atMs;
      },
      onEnded(id, atMs) {
        const timing = timings.get(id);
        if (timing === undefined) return;
        ttft.push(timing.firstTokenMs - timing.sentMs);
        e2eSum += atMs - timing.sentMs;
      },
    },
  );
  const { promptTokens, outputTokens, sharedTokens, sharedPrefixes } = point;
  arrivalsMs(random, requests, point.ratePerSecond).forEach((sentMs, id) => {
    timings.set(id, { sentMs, firstTokenMs: sentMs });
    const prompt = id % (distinctPrompts ?? requests);
    const chain = space.chainOf([
      { content: prompt % sharedPrefixes, tokens: sharedTokens },
      { content: 1000 + 2 * prompt, tokens: promptTokens - sharedTokens },
      { content: 1001 + 2 * id, tokens: outputTokens },
    ]);
    engine.add({ id, chain, promptTokens, outputTokens }, sentMs);
  });
  engine.advance(Number.POSITIVE_INFINITY);
  ttft.sort((left, right) => left - right);
  const ttftMeanMs = ttft.reduce((sum, value) => sum + value, 0) / requests;
  const e2eMeanMs = e2eSum / requests;
  return {
    ttftMeanMs,
    ttftP90Ms: quantileOf(ttft, 0.9),
    ttftP99Ms: quantileOf(ttft, 0.99),
    itlMeanMs: (e2eMeanMs - ttftMeanMs) / (outputTokens - 1),
    e2eMeanMs,
  };
}

function arrivalsMs(
  random: { next(): number },
  requests: number,
  ratePerSecond: number,
): readonly number[] {
  const gaps = Array.from({ length: requests }, () => -Math.log(1 - random.next()));
  const scale = ((requests / ratePerSecond) * 1000) / gaps.reduce((sum, gap) => sum + gap, 0);
  let atMs = 0;
  return gaps.map((gap) => {
    atMs += gap * scale;
    return atMs;
  });
}
