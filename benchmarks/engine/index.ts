/** A model of one vLLM V1 engine: pure, in the caller's time. See README.md. */
export { type ChainOptions, type ChainSpace, createChainSpace } from "./chain-space.ts";
export { createEngine } from "./engine.ts";
export {
  llama8bH100,
  llama8bH200,
  llama70bTp4H100,
  llama70bTp4H200,
  profiles,
  tiny,
} from "./profiles.ts";
export { type StepBatch, stepTimeUs } from "./step-time.ts";
export { createTokenChainSpace, type TokenChain, type TokenChainSpace } from "./token-chain.ts";
export type {
  BlockChain,
  BlockKey,
  CacheEvent,
  Engine,
  EngineLoad,
  EngineObserver,
  EngineOptions,
  EngineProfile,
  EngineRequest,
  FinishReason,
  SchedulingPolicy,
  StepsRecord,
} from "./types.ts";
