import { type Random, seededRandom } from "@warmpath/runtime/base";
import type { SessionPlan, TurnPlan, Workload } from "../../workloads/types.ts";

/** Shape of the published workload; the names are those of its generator. */
export interface SharedPrefixShape {
  readonly groups: number;
  readonly promptsPerGroup: number;
  readonly systemPromptTokens: number;
  readonly questionTokens: number;
  readonly outputTokens: number;
}

export const publishedShape: SharedPrefixShape = {
  groups: 150,
  promptsPerGroup: 5,
  systemPromptTokens: 6000,
  questionTokens: 1200,
  outputTokens: 1000,
};

/** Requests of a Poisson process. */
export interface Burst {
  readonly startMs: number;
  readonly perSecond: number;
  /** It ends after so many requests, or after so long. */
  readonly until: { readonly requests: number } | { readonly seconds: number };
}

/**
 * Bursts after each other, every request a session of one turn. All prompts are asked in one
 * shuffled order, again and again, as the published generator does: the hardest order for an LRU
 * cache that is too small.
 */
export function sharedPrefixBursts(shape: SharedPrefixShape, bursts: readonly Burst[]): Workload {
  return {
    name: "llm-d-2025-09",
    about: `${shape.groups} groups of ${shape.promptsPerGroup} fixed prompts behind a shared prefix`,
    *sessions(seed) {
      const random = seededRandom(`${seed}/llm-d-2025-09`);
      const order = shuffled(shape.groups * shape.promptsPerGroup, random);
      let asked = 0;
      for (const burst of bursts) {
        for (const startMs of arrivalsOf(burst, random)) {
          yield sessionOf(shape, order[asked % order.length]!, asked, startMs);
          asked += 1;
        }
      }
    },
  };
}

function* arrivalsOf({ startMs, perSecond, until }: Burst, random: Random): Generator<number> {
  const requestsMax = "requests" in until ? until.requests : Number.POSITIVE_INFINITY;
  const endMs = "seconds" in until ? startMs + until.seconds * 1000 : Number.POSITIVE_INFINITY;
  let atMs = startMs;
  for (let requests = 0; requests < requestsMax; requests++) {
    atMs += exponentialMs(perSecond, random);
    if (atMs >= endMs) return;
    yield atMs;
  }
}

/** Gap of a Poisson process. */
function exponentialMs(perSecond: number, random: Random): number {
  return (-Math.log(1 - random.next()) * 1000) / perSecond;
}

function sessionOf(
  shape: SharedPrefixShape,
  prompt: number,
  asked: number,
  startMs: number,
): SessionPlan {
  const group = Math.floor(prompt / shape.promptsPerGroup);
  const { systemPromptTokens, questionTokens, outputTokens } = shape;
  const turn: TurnPlan = {
    // Contents are numbers: groups, then questions, then answers, which nobody shares.
    segments: [
      { content: 1 + group, tokens: systemPromptTokens },
      { content: 1_000_000 + prompt, tokens: questionTokens },
      { content: 2_000_000 + asked, tokens: outputTokens },
    ],
    promptSegments: 2,
    promptTokens: systemPromptTokens + questionTokens,
    outputTokens,
    gapBeforeMs: 0,
    gapKind: "start",
  };
  return {
    id: `request-${asked}`,
    tenant: `group-${group}`,
    sloClass: "interactive",
    startMs,
    turns: [turn],
  };
}

function shuffled(count: number, random: Random): readonly number[] {
  const order = Array.from({ length: count }, (_, index) => index);
  for (let index = count - 1; index > 0; index--) {
    const other = Math.floor(random.next() * (index + 1));
    [order[index], order[other]] = [order[other]!, order[index]!];
  }
  return order;
}
