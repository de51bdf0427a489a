import { type Random, seededRandom } from "@warmpath/runtime/base";
import { type Arrivals, startTimes } from "./arrivals.ts";
import { Contents } from "./contents.ts";
import { Dialogue } from "./dialogue.ts";
import { drawWhole, type LogNormal, scaled, shuffled } from "./samplers.ts";
import { tenantName } from "./tenants.ts";
import type { Workload } from "./types.ts";

/** Questions over long prefixes that some share. Tokens. */
export interface SharedPrefixShape {
  readonly arrivals: Arrivals;
  readonly groups: number;
  readonly prefixTokens: number;
  /** Each group has so many users, all one tenant. */
  readonly usersPerGroup: number;
  readonly questionTokens: number;
  /** `fixed`: a user asks the same each time; `new`: no question comes twice. */
  readonly questions: "fixed" | "new";
  readonly output: LogNormal;
  /**
   * All users ask round and round, the hardest order for an LRU cache that is too small: one
   * `shuffled` order, or group after group `in-turn`.
   */
  readonly order: "shuffled" | "in-turn";
}

/**
 * llm-d's experiment of 2025-09 as its load generator was set: 150 customers with 6,000 tokens of
 * context each, five users a customer, each with one question of 1,200 tokens, asked round and
 * round in a shuffled order, answers of 1,000. The fixed prompts are 1.8 M tokens: 73 % of the KV
 * cache of its eight replicas of 307,328 tokens, as published.
 */
export const llmdShape: SharedPrefixShape = {
  arrivals: { sessionsPerSecond: 10, variation: 1 },
  groups: 150,
  prefixTokens: 6_000,
  usersPerGroup: 5,
  questionTokens: 1_200,
  questions: "fixed",
  output: { median: 1_000, sigma: 0 },
  order: "shuffled",
};

/** Prefixes of 4,000 tokens, as many as make `workingSetTokens`, asked for round and round. */
export function thrashShape(workingSetTokens: number): SharedPrefixShape {
  const prefixTokens = 4_000;
  return {
    arrivals: { sessionsPerSecond: 5, variation: 1 },
    groups: Math.max(1, Math.round(workingSetTokens / prefixTokens)),
    prefixTokens,
    usersPerGroup: 1,
    questionTokens: 100,
    questions: "new",
    output: { median: 60, sigma: 0.3, max: 400 },
    order: "in-turn",
  };
}

/** The same questions with `factor` times the tokens; times and counts stay. */
export function scaledPrefixes(shape: SharedPrefixShape, factor: number): SharedPrefixShape {
  const times = (tokens: number) => Math.max(1, Math.round(tokens * factor));
  return {
    ...shape,
    prefixTokens: times(shape.prefixTokens),
    questionTokens: times(shape.questionTokens),
    output: scaled(shape.output, factor),
  };
}

/** Single questions of a shape: the same shape and seed give the same sessions. */
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
      const users = usersOf(shape, random);
      const arrivals = startTimes(seededRandom(`${name}/${seed}/arrivals`), shape.arrivals);
      let sessions = 0;
      for (const startMs of arrivals) {
        const user = users[sessions % users.length] ?? 0;
        const group = Math.floor(user / shape.usersPerGroup);
        const dialogue = new Dialogue(contents, [Contents.shared(4, group, shape.prefixTokens)]);
        const start = { gapBeforeMs: 0, gapKind: "start" } as const;
        const outputTokens = drawWhole(random, shape.output);
        if (shape.questions === "fixed") {
          const question = Contents.shared(6, user, shape.questionTokens);
          dialogue.askAgain({ ...start, question, outputTokens });
        } else {
          dialogue.ask({ ...start, appendTokens: shape.questionTokens, outputTokens });
        }
        yield {
          id: `s${sessions}`,
          tenant: tenantName(group),
          sloClass: "interactive",
          startMs,
          turns: dialogue.turns,
        };
        sessions += 1;
      }
    },
  };
}

/** All users in the order in which they ask; user `u` is of group `u / usersPerGroup`. */
function usersOf(shape: SharedPrefixShape, random: Random): readonly number[] {
  const users = Array.from({ length: shape.groups * shape.usersPerGroup }, (_, user) => user);
  return shape.order === "shuffled" ? shuffled(random, users) : users;
}
