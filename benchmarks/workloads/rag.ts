import { seededRandom } from "@warmpath/runtime/base";
import { type Arrivals, startTimes } from "./arrivals.ts";
import { Contents } from "./contents.ts";
import { Dialogue } from "./dialogue.ts";
import { type LogNormal, wholeBetween, wholeLogNormal } from "./samplers.ts";
import type { Workload } from "./types.ts";

/** Questions over long prefixes that some share. Tokens. */
export interface SharedPrefixShape {
  readonly arrivals: Arrivals;
  readonly groups: number;
  readonly prefixTokens: number;
  readonly questionTokens: number;
  readonly output: LogNormal;
  /** Each group in turn, which an LRU cache that is too small likes least; else by chance. */
  readonly inTurn?: boolean;
}

/**
 * The llm-d experiment of 2025-09: 150 customers with 6,000 tokens of context each, five users a
 * customer, questions of 1,200 tokens. Its answers' length is not stated: 200 is assumed.
 */
export const llmdShape: SharedPrefixShape = {
  arrivals: { sessionsPerSecond: 10, variation: 1 },
  groups: 150,
  prefixTokens: 6_000,
  questionTokens: 1_200,
  output: { median: 200, sigma: 0.3, max: 1_000 },
};

/** The same at an eighth of the size. */
export const ragLiteShape: SharedPrefixShape = {
  ...llmdShape,
  prefixTokens: 750,
  questionTokens: 150,
  output: { median: 60, sigma: 0.3, max: 400 },
};

/** A working set of `tokens` in prefixes of 4,000, asked for round and round. */
export function thrashShape(tokens: number): SharedPrefixShape {
  const prefixTokens = 4_000;
  return {
    arrivals: { sessionsPerSecond: 5, variation: 1 },
    groups: Math.max(1, Math.round(tokens / prefixTokens)),
    prefixTokens,
    questionTokens: 100,
    output: { median: 60, sigma: 0.3, max: 400 },
    inTurn: true,
  };
}

/** Users of a group ask for it alike, so a group's five users are one tenant. */
export function sharedPrefixWorkload(
  name: string,
  about: string,
  shape: SharedPrefixShape,
): Workload {
  return {
    name,
    about,
    *sessions(seed) {
      const random = seededRandom(`${name}/${seed}`);
      const contents = new Contents();
      const arrivals = startTimes(seededRandom(`${name}/${seed}/arrivals`), shape.arrivals);
      let sessions = 0;
      for (const startMs of arrivals) {
        const group =
          shape.inTurn === true
            ? sessions % shape.groups
            : wholeBetween(random, 0, shape.groups - 1);
        const dialogue = new Dialogue(contents, [Contents.shared(4, group, shape.prefixTokens)]);
        dialogue.ask({
          appendTokens: shape.questionTokens,
          outputTokens: wholeLogNormal(random, shape.output),
          gapBeforeMs: 0,
          gapKind: "start",
        });
        yield {
          id: `s${sessions}`,
          tenant: `tenant-${group}`,
          sloClass: "interactive",
          startMs,
          turns: dialogue.turns,
        };
        sessions += 1;
      }
    },
  };
}
