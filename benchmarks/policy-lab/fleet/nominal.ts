import { stepTimeUs } from "../../engine/step-time.ts";
import type { EngineProfile } from "../../engine/types.ts";

/** What an engine needs where nobody else is, by its step model; times in ms. */
export interface Nominal {
  /** Prefill of the last `uncachedTokens` of a prompt, in chunks of vLLM's default budget. */
  prefillMs(uncachedTokens: number, promptTokens: number): number;
  /** One decoding step of `sequences` sequences that hold `contextTokens` in all. */
  stepMs(sequences: number, contextTokens: number): number;
  /** A whole turn, `sequences` alike decoding together. */
  turnMs(turn: NominalTurn, sequences?: number): number;
}

export interface NominalTurn {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
}

/** Sequences that decode beside each other on a replica that is busy but not full. */
export const neighbours = 16;

/** Default of `max_num_batched_tokens` on GPUs of 70 GiB or more. */
const chunkTokensMax = 8192;

/** The step model of a profile, without jitter. */
export function createNominal(profile: EngineProfile): Nominal {
  const prefillMs = (uncachedTokens: number, promptTokens: number): number => {
    let us = 0;
    let start = promptTokens - uncachedTokens;
    while (start < promptTokens) {
      const tokens = Math.min(chunkTokensMax, promptTokens - start);
      const attention = tokens * (start + tokens / 2);
      us += stepTimeUs(profile, { tokens, contextTokens: start, attention, sequences: 1 });
      start += tokens;
    }
    return us / 1000;
  };
  const stepMs = (sequences: number, contextTokens: number): number =>
    stepTimeUs(profile, { tokens: sequences, contextTokens, attention: 0, sequences }) / 1000;
  return {
    prefillMs,
    stepMs,
    turnMs: ({ promptTokens, cachedTokens, outputTokens }, sequences = 1) => {
      // At least the last token is always computed.
      const uncachedTokens = Math.max(1, promptTokens - cachedTokens);
      const context = promptTokens + outputTokens / 2;
      return (
        (profile.apiBeforeUs + profile.apiAfterUs) / 1000 +
        prefillMs(uncachedTokens, promptTokens) +
        (outputTokens - 1) * stepMs(sequences, sequences * context)
      );
    },
  };
}
