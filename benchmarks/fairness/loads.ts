import { type Random, seededRandom } from "@warmpath/runtime/base";
import { type Distribution, drawWhole, exponential } from "../workloads/samplers.ts";

/** What one tenant sends. */
export interface TenantLoad {
  readonly tenant: string;
  readonly shape: CallShape;
  /**
   * Connections that each send the next call (of the same program, else of the next one) when the
   * last one ended, or calls a second.
   */
  readonly arrivals: { readonly connections: number } | { readonly callsPerSecond: number };
  /** False: answers come whole, and nobody sees when they begin. */
  readonly isStream: boolean;
  /** Calls of one agent's job, one after the other; absent: each call stands for itself. */
  readonly callsOfProgram?: Distribution;
}

/** What calls are like, in tokens. Prompts share nothing, so that all of them are computed. */
export interface CallShape {
  readonly promptTokens: Distribution;
  readonly outputTokens: Distribution;
}

/** One call as it is sent. */
export interface CallPlan {
  readonly promptTokens: number;
  readonly outputTokens: number;
}

/** A tenant's calls and the pauses between them: the same for a seed, whoever else is there. */
export interface LoadSource {
  next(): CallPlan;
  /** Calls of the next program. */
  nextProgram(): number;
  /** Until the next arrival, in ms; only asked of tenants that send so many calls a second. */
  pauseMs(): number;
}

/** Draws what the load says. */
export function loadSource(load: TenantLoad, seed: number): LoadSource {
  const { tenant, shape, arrivals, callsOfProgram } = load;
  const programs = seededRandom(`${tenant}/${seed}/programs`);
  const random = seededRandom(`${tenant}/${seed}/calls`);
  const pauses = seededRandom(`${tenant}/${seed}/pauses`);
  return {
    next: () => drawCall(shape, random),
    nextProgram: () => (callsOfProgram === undefined ? 1 : drawWhole(programs, callsOfProgram)),
    pauseMs: () =>
      "callsPerSecond" in arrivals ? exponential(pauses, 1000 / arrivals.callsPerSecond) : 0,
  };
}

function drawCall({ promptTokens, outputTokens }: CallShape, random: Random): CallPlan {
  return {
    promptTokens: drawWhole(random, promptTokens),
    outputTokens: drawWhole(random, outputTokens),
  };
}

/** As of a chat without its history: prompts of some hundred tokens, answers of a few sentences. */
export const chatShape: CallShape = {
  promptTokens: { median: 600, sigma: 0.8, max: 8000 },
  outputTokens: { median: 200, sigma: 0.6, max: 1500 },
};

/** Short questions with short answers. */
export const smallShape: CallShape = {
  promptTokens: { median: 200, sigma: 0.5, max: 2000 },
  outputTokens: { median: 100, sigma: 0.5, max: 1000 },
};

/** Documents, and answers four times as long. */
export const largeShape: CallShape = {
  promptTokens: { median: 3000, sigma: 0.5, max: 20_000 },
  outputTokens: { median: 400, sigma: 0.5, max: 4000 },
};
