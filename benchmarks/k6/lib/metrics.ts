import { Counter, Rate, Trend } from "k6/metrics";
import type { PlannedSession } from "./plan.ts";
import { isWithinSlo } from "./slo.ts";

type Tags = Readonly<Record<string, string>>;

/**
 * A trend that also sums the squares of its values, because k6's summary has no standard deviation
 * and `vllm bench serve`'s has.
 */
function spread(name: string) {
  const values = new Trend(name, true);
  const squares = new Counter(`${name}_squares`);
  return (value: number, tags?: Tags) => {
    values.add(value, tags);
    squares.add(value * value);
  };
}

/** Request sent until the first token of content. */
const timeToFirstToken = spread("ttft_ms");
/** Between two arrivals of content. */
const interToken = spread("itl_ms");
/** (end - first token) / (tokens - 1), of one answer. */
const timePerOutputToken = spread("tpot_ms");
/** Request sent until the last byte of one answer. */
const endToEnd = spread("e2el_ms");
/** What a caller waits for one turn: with an agent, all its model calls and tools. */
const turnLatency = new Trend("turn_latency_ms", true);
/** First request of a session until the end of its last turn, pauses included. */
const jobCompletion = new Trend("job_completion_ms", true);
/** Turns that kept their class's promises, failed ones being none. */
const goodput = new Rate("goodput");
const turnFailures = new Rate("turn_failures");
const costPerTask = new Trend("cost_per_task_usd");
const inputTokens = new Counter("input_tokens");
const cachedTokens = new Counter("cached_input_tokens");
const outputTokens = new Counter("output_tokens");
/** Good turns, for requests per second that count. */
const goodTurns = new Counter("good_turns");
const endedTurns = new Counter("ended_turns");

/** One answered turn, as its caller saw it; times in ms since it was asked for. */
export interface TurnSample {
  readonly sloClass: PlannedSession["sloClass"];
  readonly timeToFirstTokenMs: number;
  /** Between arrivals of content. */
  readonly gapsMs: readonly number[];
  readonly endMs: number;
  /** Of all model calls of the turn; undefined where the answer carries no usage. */
  readonly usage:
    | { readonly input: number; readonly cached: number; readonly output: number }
    | undefined;
  /** Tokens that came after the first one, where gaps hold several; undefined: one a gap. */
  readonly streamedTokens?: number;
  readonly costUsd?: number;
  readonly tags?: Tags;
}

/** Counts an answered turn. */
export function addTurn(sample: TurnSample): void {
  const tags = { class: sample.sloClass, ...sample.tags };
  timeToFirstToken(sample.timeToFirstTokenMs, tags);
  for (const gapMs of sample.gapsMs) interToken(gapMs, tags);
  endToEnd(sample.endMs, tags);
  turnLatency.add(sample.endMs, tags);
  const streamed = sample.streamedTokens ?? sample.gapsMs.length;
  const perToken = streamed > 0 ? (sample.endMs - sample.timeToFirstTokenMs) / streamed : undefined;
  if (perToken !== undefined) timePerOutputToken(perToken, tags);
  if (sample.usage !== undefined) {
    inputTokens.add(sample.usage.input);
    cachedTokens.add(sample.usage.cached);
    outputTokens.add(sample.usage.output);
  }
  if (sample.costUsd !== undefined) costPerTask.add(sample.costUsd, tags);
  const isGood = isWithinSlo(sample.sloClass, sample.timeToFirstTokenMs, perToken);
  goodput.add(isGood, tags);
  if (isGood) goodTurns.add(1);
  endedTurns.add(1);
  turnFailures.add(false, tags);
}

/** Counts a turn without a whole answer, and says why. */
export function addFailure(
  why: string,
  sloClass: PlannedSession["sloClass"],
  tags: Tags = {},
): void {
  console.error(why);
  turnFailures.add(true, { class: sloClass, ...tags });
  goodput.add(false, { class: sloClass, ...tags });
}

/** Counts a session that was played to its end. */
export function addSession(durationMs: number, sloClass: PlannedSession["sloClass"]): void {
  jobCompletion.add(durationMs, { class: sloClass });
}
