/** A simulated vLLM replica: in this process (`createReplica`), or as a child (`main.ts`). */

export { embed, embeddingDimensions } from "./api/embeddings.ts";
export { type ReplicaConfig, replicaOptions } from "./config.ts";
export { createReplica, type Replica, type ReplicaDeps, zeroLatency } from "./replica.ts";
export { simulatedLabel } from "./script/compose-answer.ts";
