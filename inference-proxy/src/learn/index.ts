/** What finished requests teach. */
export { createDecayingQuantiles, type DecayingQuantiles } from "./decaying-quantiles.ts";
export { createEwma, type Ewma } from "./ewma.ts";
export { PrefillRates, type PrefillSample } from "./prefill-rates.ts";
export { createReplicaPaces, type ReplicaPaces } from "./replica-paces.ts";
export { createTokenRatios, type TokenRatios } from "./token-ratios.ts";
export type { LearnedPace, PaceSample } from "./types.ts";
