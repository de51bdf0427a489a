import { seededRandom } from "@warmpath/runtime/base";
import { type Arrivals, startTimes } from "./arrivals.ts";
import { Contents } from "./contents.ts";
import { Dialogue } from "./dialogue.ts";
import {
  bernoulli,
  type Distribution,
  draw,
  drawWhole,
  type LogNormal,
  type Quantiles,
  scaled,
  scaledQuantiles,
  wholeBetween,
} from "./samplers.ts";
import { tenantName } from "./tenants.ts";
import type { SloClass, Workload } from "./types.ts";

/** What chats and single calls are drawn from. Tokens and ms. */
export interface ChatShape {
  readonly arrivals: Arrivals;
  /** All equally large. */
  readonly tenants: number;
  readonly sloClass: SloClass;
  /** One system prompt for everybody. */
  readonly systemTokens: number;
  readonly firstMessage: Distribution;
  readonly message: LogNormal;
  readonly output: Distribution;
  readonly gapMs: LogNormal;
  /** Chance that a chat goes on after its first turn, and after each later one. */
  readonly goesOn: { readonly first: number; readonly later: number };
}

/**
 * Lengths of first prompts in the Mooncake conversation trace (12,031 requests, 8,233 sessions as
 * guessed from prefixes), computed from it.
 */
export const conversationFirstPrompt: Quantiles = {
  points: [
    [0, 891],
    [0.05, 898],
    [0.1, 908],
    [0.2, 1_178],
    [0.3, 2_161],
    [0.4, 4_381],
    [0.5, 5_961],
    [0.6, 8_619],
    [0.7, 12_171],
    [0.8, 17_071],
    [0.9, 26_593],
    [0.95, 38_538],
    [0.99, 87_169],
    [1, 126_195],
  ],
};

/** Lengths of all its answers. */
export const conversationOutput: Quantiles = {
  points: [
    [0, 1],
    [0.01, 3],
    [0.05, 10],
    [0.1, 24],
    [0.2, 100],
    [0.3, 213],
    [0.4, 291],
    [0.5, 350],
    [0.6, 399],
    [0.7, 447],
    [0.8, 504],
    [0.9, 597],
    [0.95, 698],
    [0.99, 1_120],
    [1, 2_000],
  ],
};

/** The block that all its requests begin with. */
const conversationSystemTokens = 512;

/**
 * The Mooncake conversation trace: lengths by its quantiles; sessions of 1.5 turns in the mean, 3
 * at p90 and 7 at p99, gaps of 66 s at p50 and 267 s at p90, 260 tokens more a turn at p50; 3.4
 * requests a second. It names no tenants: 20 are invented.
 */
export const conversationShape: ChatShape = {
  arrivals: { sessionsPerSecond: 3.4 / 1.5, variation: 1.2 },
  tenants: 20,
  sloClass: "interactive",
  systemTokens: conversationSystemTokens,
  firstMessage: {
    points: conversationFirstPrompt.points.map(([share, tokens]) => [
      share,
      tokens - conversationSystemTokens,
    ]),
  },
  message: { median: 260, sigma: 1.2, max: 32_000 },
  output: conversationOutput,
  gapMs: { median: 66_000, sigma: 1.09, max: 600_000 },
  goesOn: { first: 0.225, later: 0.55 },
};

/** Long answers that nobody waits for; invented, as offline summaries are. */
export const batchShape: ChatShape = {
  arrivals: { sessionsPerSecond: 1, variation: 1 },
  tenants: 2,
  sloClass: "batch",
  systemTokens: 200,
  firstMessage: { median: 500, sigma: 0.8, max: 8_000 },
  message: { median: 100, sigma: 0.5, max: 1_000 },
  output: { median: 800, sigma: 0.5, max: 4_000 },
  gapMs: { median: 1, sigma: 0 },
  goesOn: { first: 0, later: 0 },
};

/** The same chats with `factor` times the tokens; times and counts stay. */
export function scaledChats(shape: ChatShape, factor: number): ChatShape {
  const times = (distribution: Distribution) =>
    "points" in distribution ? scaledQuantiles(distribution, factor) : scaled(distribution, factor);
  return {
    ...shape,
    systemTokens: Math.max(1, Math.round(shape.systemTokens * factor)),
    firstMessage: times(shape.firstMessage),
    message: scaled(shape.message, factor),
    output: times(shape.output),
  };
}

/** Chats of a shape: the same shape and seed give the same sessions. */
export function chatWorkload(name: string, about: string, shape: ChatShape): Workload {
  return {
    name,
    about,
    *sessions(seed) {
      const random = seededRandom(`${name}/${seed}`);
      const contents = new Contents();
      const arrivals = startTimes(seededRandom(`${name}/${seed}/arrivals`), shape.arrivals);
      let sessions = 0;
      for (const startMs of arrivals) {
        const dialogue = new Dialogue(contents, [Contents.shared(3, 0, shape.systemTokens)]);
        let isFirst = true;
        for (let goesOn = true; goesOn; isFirst = false) {
          dialogue.ask({
            appendTokens: drawWhole(random, isFirst ? shape.firstMessage : shape.message),
            outputTokens: drawWhole(random, shape.output),
            gapBeforeMs: isFirst ? 0 : draw(random, shape.gapMs),
            gapKind: isFirst ? "start" : "human",
          });
          goesOn = bernoulli(random, isFirst ? shape.goesOn.first : shape.goesOn.later);
        }
        const tenant = tenantName(wholeBetween(random, 0, shape.tenants - 1));
        const { sloClass } = shape;
        yield { id: `s${sessions}`, tenant, sloClass, startMs, turns: dialogue.turns };
        sessions += 1;
      }
    },
  };
}
