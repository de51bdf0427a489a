import { randomBytes } from "node:crypto";
import type { Clock } from "@warmpath/runtime/base";
import type { InferenceProxyConfig } from "../config.ts";
import type { TokenRatios } from "../learn/index.ts";
import { createPrompts, type Prompts } from "../prompt/index.ts";

const hash = Bun.hash.rapidhash;

/** What is remembered of prompts, as configured. */
export function createCallPrompts(
  config: InferenceProxyConfig,
  clock: Clock,
  ratios: TokenRatios,
  engines: { readonly blockTokens: number | undefined },
): Prompts {
  return createPrompts({
    hash,
    memoSeed: secretSeed(),
    keySeed: config.promptSecret === undefined ? secretSeed() : hash(config.promptSecret, 0n) >> 1n,
    nowMs: () => clock.monotonicMs(),
    tokensOf: ratios.estimate,
    // What an engine says of itself goes before what was configured.
    blockTokensOf: () => engines.blockTokens ?? config.blockTokens,
    memoBytesMax: config.promptMemoBytesMax,
    sessions: {
      sessionsMax: config.sessionsMax,
      marksMax: config.sessionMarksMax,
      bodyBytesMax: config.sessionBodyBytesMax,
      ttlMs: config.sessionTtlMs,
    },
  });
}

function secretSeed(): bigint {
  return randomBytes(8).readBigUInt64LE() >> 1n;
}
