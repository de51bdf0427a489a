/** What finished requests teach. */
export { createEwma, type Ewma } from "./ewma.ts";
export { createReplicaPaces, type ReplicaPaces } from "./replica-paces.ts";
export { createTokenRatios, type TokenRatios } from "./token-ratios.ts";
export type { LearnedPace, PaceSample } from "./types.ts";
