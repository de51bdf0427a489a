import { seededRandom } from "@warmpath/runtime/base";
import { type Arrivals, startTimes } from "./arrivals.ts";
import { Contents } from "./contents.ts";
import { Dialogue } from "./dialogue.ts";
import { type LogNormal, logNormal, wholeLogNormal } from "./samplers.ts";
import type { SloClass, Workload } from "./types.ts";

/** What chats and single calls are drawn from. Tokens and ms. */
export interface ChatShape {
  readonly arrivals: Arrivals;
  readonly tenants: number;
  readonly sloClass: SloClass;
  /** One system prompt for everybody. */
  readonly systemTokens: number;
  readonly firstMessage: LogNormal;
  readonly message: LogNormal;
  readonly output: LogNormal;
  readonly gapMs: LogNormal;
  /** Chance of one more turn after each. */
  readonly anotherTurn: number;
}

/**
 * The Mooncake conversation trace at an eighth of its lengths (12,031 requests; input p50 6,909 and
 * p90 27,367, output p50 350 and p90 597, growth p50 260 tokens; sessions of 1.5 turns in the mean,
 * p90 3; gap p50 66 s, p90 267 s; arrivals 3.4 a second).
 */
export const chatShape: ChatShape = {
  arrivals: { sessionsPerSecond: 2.3, variation: 1.2 },
  tenants: 20,
  sloClass: "interactive",
  systemTokens: 64,
  firstMessage: { median: 800, sigma: 1.07, max: 16_000 },
  message: { median: 33, sigma: 1.2, max: 4_000 },
  output: { median: 44, sigma: 0.42, max: 400 },
  gapMs: { median: 66_000, sigma: 1.09, max: 600_000 },
  anotherTurn: 1 / 3,
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
  anotherTurn: 0,
};

/** The same at an eighth of the size. */
export const batchLiteShape: ChatShape = {
  ...batchShape,
  systemTokens: 25,
  firstMessage: { median: 63, sigma: 0.8, max: 1_000 },
  output: { median: 100, sigma: 0.5, max: 500 },
};

/** Chats of a shape. */
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
        do {
          const isFirst = dialogue.turns.length === 0;
          dialogue.ask({
            appendTokens: wholeLogNormal(random, isFirst ? shape.firstMessage : shape.message),
            outputTokens: wholeLogNormal(random, shape.output),
            gapBeforeMs: isFirst ? 0 : logNormal(random, shape.gapMs),
            gapKind: isFirst ? "start" : "human",
          });
        } while (random.next() < shape.anotherTurn);
        const tenant = `tenant-${Math.floor(random.next() * shape.tenants)}`;
        const { sloClass } = shape;
        yield { id: `s${sessions}`, tenant, sloClass, startMs, turns: dialogue.turns };
        sessions += 1;
      }
    },
  };
}
