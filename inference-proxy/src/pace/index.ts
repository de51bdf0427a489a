/** How fast everybody may go: limits of tenants, users, keys, models and replicas. */
export { type AnswerEstimates, createAnswerEstimates } from "./answer-estimates.ts";
export { errorOfRefusal, OverLimit } from "./limit-headers.ts";
export type { Claim, Exchanged, Grant, LimitStore } from "./limit-store.ts";
export { lapsedKeptMs, sliceShareMax } from "./limit-store.ts";
export { createLimiter, type Limiter } from "./limiter.ts";
export { linesOf } from "./lines-of.ts";
export { createMemoryLimitStore } from "./memory-limit-store.ts";
export { parseLimits } from "./parse-limits.ts";
export { createProviderMirror, type ProviderMirror, type ProviderNeed } from "./provider-mirror.ts";
export { noReservation } from "./reservation.ts";
export type {
  Calendar,
  Estimate,
  LimitKind,
  LimitRule,
  OnError,
  Refusal,
  Reservation,
  ScopeName,
  Subject,
  Taken,
  Used,
} from "./types.ts";
