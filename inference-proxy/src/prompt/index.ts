/** What a prompt is, without parsing or tokenising it. */
export { cacheBreakText } from "./cache-break.ts";
export {
  createPrompts,
  noPrompt,
  type PromptMember,
  type Prompts,
  type PromptsOptions,
  type ReadPrompt,
} from "./prompts.ts";
export { readValue } from "./read-value.ts";
export {
  type BodyScan,
  findMember,
  type Member,
  readMember,
  scanBody,
} from "./scan-body.ts";
export type { SessionLimits } from "./session-store.ts";
export { type HeaderReader, sessionIdCharsMax } from "./stated-session.ts";
export { nextTokenKey, type TokenScope, tokenKeys, tokenRoot } from "./token-keys.ts";
export type { PromptOwner, PromptScan } from "./trace-prompt.ts";
export type {
  CacheBreak,
  CacheBreakCause,
  HashBytes,
  PromptIdentity,
  SessionKind,
  SessionLink,
} from "./types.ts";
