/**
 * The pure policy: plain types in, plain types out, clock and chance injected, no sockets. The
 * proxy and the policy lab run these same files.
 */
export {
  type Claim,
  createPrograms,
  createWaitQueue,
  type Lane,
  lanes,
  type Place,
  type Programs,
  rankOf,
  type Service,
  type Started,
  serviceTokens,
  type Waiting,
  type WaitLimits,
  type WaitQueue,
} from "./admit/index.ts";
export {
  CacheBelief,
  CacheIndex,
  HistoryIndex,
  type KeyedPrompt,
  type PrefixKey,
  RecentKeys,
  ReplicaSets,
} from "./cache-index/index.ts";
export { promptSummaryOf } from "./call/prompt-summary.ts";
export { inferenceProxyOptions } from "./config.ts";
export {
  createEwma,
  createReplicaPaces,
  createTokenRatios,
  type Ewma,
  type LearnedPace,
  type PaceSample,
  type ReplicaPaces,
  type TokenRatios,
} from "./learn/index.ts";
export {
  createLimiter,
  createMemoryLimitStore,
  type Limiter,
  type LimitRule,
  type LimitStore,
  parseLimits,
  type Reservation,
  type Taken,
} from "./pace/index.ts";
export {
  type Booking,
  type BookingEnd,
  type Candidate,
  type CostTerms,
  type Endpoint,
  type NoEndpoint,
  type Placed,
  Placer,
  type Placing,
  type PromptSummary,
  type RequestSummary,
} from "./pick/index.ts";
export {
  type CacheBreak,
  type CacheBreakCause,
  createPrompts,
  type HashBytes as HashPrompt,
  noPrompt,
  type PromptIdentity,
  type PromptOwner,
  type PromptScan,
  type Prompts,
  type PromptsOptions,
  type ReadPrompt,
  type SessionKind,
  type SessionLink,
} from "./prompt/index.ts";
export {
  type GateOptions,
  gateDefaults,
  SessionGate,
  type SessionTurn,
  type ShareOptions,
  stopRest,
  toolRest,
} from "./sessions/index.ts";
