import type { InferenceProxyConfig } from "../config.ts";
import { type LimitRule, parseLimits } from "../pace/index.ts";

/** All limits that the configuration states, the short form of tokens per key included. */
export function limitRules({
  limits,
  tokensPerMinute,
}: Pick<InferenceProxyConfig, "limits" | "tokensPerMinute">): readonly LimitRule[] {
  const perKey = tokensPerMinute === 0 ? [] : [`key=* tokens/min=${tokensPerMinute}`];
  return parseLimits([...limits, ...perKey], "WARMPATH_LIMITS");
}
