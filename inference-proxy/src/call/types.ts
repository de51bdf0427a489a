import type { CancelSignal } from "@warmpath/runtime/base";
import type { Lane } from "../admit/index.ts";
import type { TokenPrompt } from "../kv-events/index.ts";
import type { ReadPrompt } from "../prompt/index.ts";
import type { ServingPath } from "../upstream/open.ts";
import type { UpstreamKind } from "../upstream/replica.ts";
import type { RequestBody } from "../upstream/request-body.ts";
import type { LimitTab } from "./limit-tab.ts";
import type { ReuseAsk } from "./reuse.ts";

/** What is asked of the model, in the words of the GenAI conventions. */
export type Operation = "chat" | "text_completion" | "embeddings" | "count_tokens";

/** On whose behalf a call is made. */
export interface Caller {
  readonly tenant: string;
  readonly user: string;
  readonly keyId: string;
  /** Requests per minute that the key allows; 0 means no limit. */
  readonly requestsPerMinute: number;
}

/** One model call, whichever way it came in. */
export interface CallRequest {
  readonly requestId: string;
  readonly caller: Caller;
  readonly operation: Operation;
  readonly path: ServingPath;
  /** The model that is served, tiers resolved. */
  readonly model: string;
  readonly isStream: boolean;
  /** True when the usage event of the stream was asked for by us and not by the client. */
  readonly dropsUsage: boolean;
  readonly lane: Lane;
  /** Longest wait for a place; absent: what the configuration says. */
  readonly queueWaitMsMax?: number;
  /** The body for an upstream of this kind. */
  readonly bodyFor: (kind: UpstreamKind) => RequestBody;
  readonly bodyBytes: number;
  /** Headers of the caller's that an engine is shown; undefined when there are none. */
  readonly engineHeaders: Readonly<Record<string, string>> | undefined;
  /** Version and features that the client chose of its API: for providers that speak it. */
  readonly apiHeaders?: Readonly<Record<string, string>> | undefined;
  /** Most tokens that the answer may have; undefined when the request does not say. */
  readonly answerTokensMax: number | undefined;
  /** The prompt where it was given as token ids: what of it is cached can be foretold exactly. */
  readonly tokenPrompt?: TokenPrompt | undefined;
  readonly prompt: ReadPrompt;
  readonly taskId: string;
  readonly sessionId: string;
  /** The agent on whose behalf the caller asks, as it names itself. */
  readonly agent?: string | undefined;
  /** For one that may be opened at several models in turn; absent: it counts by itself. */
  readonly tab?: LimitTab;
  /** How its answer may be reused; absent: not at all. */
  readonly reuse?: ReuseAsk | undefined;
  /** The caller's: aborts when it leaves or its deadline passes. */
  readonly signal: CancelSignal;
  /** When its deadline passes, on the monotonic clock; absent where it told none. */
  readonly deadlineAtMs?: number;
}
