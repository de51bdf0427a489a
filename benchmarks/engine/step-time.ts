import type { EngineProfile } from "./types.ts";

/** What one step computes. */
export interface StepBatch {
  /** Tokens computed, prefill and decode. */
  readonly tokens: number;
  /** Tokens read from the KV cache: all that decoding sequences hold, and what chunks follow. */
  readonly contextTokens: number;
  /** Σ chunk · (start + chunk / 2) over prefill chunks. */
  readonly attention: number;
  readonly sequences: number;
}

/** How long a step takes without jitter, in µs: a smooth roofline and what comes on top. */
export function stepTimeUs(profile: EngineProfile, batch: StepBatch): number {
  return (
    fixedPartUs(profile, batch.tokens, batch.sequences) +
    profile.perContextTokenUs * batch.contextTokens +
    profile.perAttentionUs * batch.attention
  );
}

/** The part of a step's time that does not depend on contexts. */
export function fixedPartUs(profile: EngineProfile, tokens: number, sequences: number): number {
  const compute = tokens * profile.perTokenUs;
  const roofline = Math.sqrt(profile.weightsUs * profile.weightsUs + compute * compute);
  return profile.fixedUs + roofline + sequences * profile.perSequenceUs;
}
