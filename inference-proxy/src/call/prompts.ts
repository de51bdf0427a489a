import { randomBytes } from "node:crypto";
import type { Clock } from "@warmpath/runtime/base";
import type { InferenceProxyConfig } from "../config.ts";
import type { TokenRatios } from "../learn/index.ts";
import { createPrompts, type Prompts } from "../prompt/index.ts";

/** What is remembered of prompts, as configured. */
export function createCallPrompts(
  config: InferenceProxyConfig,
  clock: Clock,
  ratios: TokenRatios,
): Prompts {
  return createPrompts({
    hash: Bun.hash.rapidhash,
    seed: randomBytes(8).readBigUInt64LE() >> 1n,
    nowMs: () => clock.monotonicMs(),
    tokensOf: ratios.estimate,
    blockTokens: config.blockTokens,
    memoBytesMax: config.promptMemoBytesMax,
    sessions: {
      sessionsMax: config.sessionsMax,
      marksMax: config.sessionMarksMax,
      bodyBytesMax: config.sessionBodyBytesMax,
      ttlMs: config.sessionTtlMs,
    },
  });
}
