/**
 * The engine model's neutral types. The model is pure: it is handed the time, never reads a clock,
 * and does no I/O. The replica runs it in wall time, the policy lab in virtual time.
 */

/** How requests wait: first come first served, or lower `priority` first (vLLM's two policies). */
export type SchedulingPolicy = "fcfs" | "priority";

/**
 * Constants of one model on one kind of GPU: how long an engine step takes and how much KV cache
 * there is. Form: `fixed + hypot(weights, tokens·perToken) + context·perContextToken +
 * attention·Σ chunk·(start + chunk/2) + sequences·perSequence`, all in µs.
 */
export interface EngineProfile {
  readonly name: string;
  /** Where the constants come from, in one sentence. */
  readonly source: string;
  /** True where nobody measured this combination. */
  readonly isExtrapolated: boolean;
  readonly fixedUs: number;
  readonly weightsUs: number;
  readonly perTokenUs: number;
  readonly perContextTokenUs: number;
  /** Per token·token of causal attention. */
  readonly perAttentionUs: number;
  readonly perSequenceUs: number;
  /** API server time around one request: before the queue, and after the first token. */
  readonly apiBeforeUs: number;
  readonly apiAfterUs: number;
  /** Blocks of 16 tokens that fit in the KV cache. */
  readonly blocks: number;
}

/** How one engine is set up; defaults are vLLM's for an API server on a GPU of 70 GiB or more. */
export interface EngineOptions {
  readonly profile: EngineProfile;
  /** KV capacity in blocks; default: the profile's. */
  readonly blocks?: number;
  /** Tokens of a block; default 16. */
  readonly blockTokens?: number;
  /** `max_num_batched_tokens`; default 8192. */
  readonly stepTokensMax?: number;
  /** `max_num_seqs`; default 1024. */
  readonly sequencesMax?: number;
  readonly policy?: SchedulingPolicy;
  /** `long_prefill_token_threshold`: longest prefill chunk of one request; default: no limit. */
  readonly prefillChunkTokensMax?: number;
  readonly prefixCaching?: boolean;
  /**
   * `scheduler_reserve_full_isl`: a request is admitted only when its whole prompt fits into the KV
   * cache, not just its first chunk. Default true, as vLLM's.
   */
  readonly reservesWholePrompt?: boolean;
  /** All step times are multiplied by this; 3 = three times slower. Default 1. */
  readonly slowdown?: number;
  /** Standard deviation of the lognormal step jitter; default 0.03, 0 switches jitter off. */
  readonly jitterSigma?: number;
  /** Chance that a step is held up by 20 to 60 ms; default 0.003, 0 where `jitterSigma` is 0. */
  readonly hiccupsPerStep?: number;
  readonly seed: number;
}

/**
 * Identity of a cached block: equal keys mean equal tokens after equal prefixes (and equal salt).
 * A safe integer; who makes chains guarantees that different chains get different keys.
 */
export type BlockKey = number;

/**
 * Identity of all tokens that a request will ever hold, prompt first and then the answer, as a
 * chain of full blocks. The model never looks at tokens.
 */
export interface BlockChain {
  readonly blockTokens: number;
  /** Key of the full block `index`; asked only for blocks within prompt + output tokens. */
  key(index: number): BlockKey;
}

/** One request as the engine sees it. Token counts are positive integers. */
export interface EngineRequest {
  /** Unique among the engine's live requests. */
  readonly id: number;
  readonly chain: BlockChain;
  readonly promptTokens: number;
  /** Tokens the answer will have; the engine stops there (the lab's and the script's knowledge). */
  readonly outputTokens: number;
  /** Lower is more urgent; only looked at under the "priority" policy. Default 0. */
  readonly priority?: number;
}

export type FinishReason = "finished" | "aborted";

/** A change of the prefix cache, in the order in which a KV event stream would tell it. */
export type CacheEvent =
  | {
      readonly type: "stored";
      readonly requestId: number;
      /** Index in the request's chain of the first of `keys`. */
      readonly firstBlock: number;
      readonly keys: readonly BlockKey[];
      /** Undefined when `keys` starts a chain. */
      readonly parentKey: BlockKey | undefined;
    }
  | { readonly type: "removed"; readonly key: BlockKey }
  | { readonly type: "cleared" };

/**
 * What the engine tells while it runs. Methods are optional: what is not asked costs nothing. They
 * may call `add` and `abort`, not `advance`.
 *
 * `nowMs` is the engine's time. `atMs` is when the API server has passed a token or an end on to
 * the client: the end of the step and `apiAfterUs` more, hence possibly after the `untilMs` of the
 * `advance` that told it.
 */
export interface EngineObserver {
  /**
   * The request left the waiting queue; `cachedTokens` of its prompt were in the cache. Told again
   * when a preempted request resumes; usage reports the first.
   */
  onAdmitted?(requestId: number, nowMs: number, cachedTokens: number): void;
  /** A token came out: one call a step, `tokens` is 1. Whoever listens pays for every token. */
  onTokens?(requestId: number, atMs: number, tokens: number): void;
  onFirstToken?(requestId: number, atMs: number): void;
  onPreempted?(requestId: number, nowMs: number): void;
  onEnded?(requestId: number, atMs: number, reason: FinishReason): void;
  /** Cache changes of one step, told before the step's compute as vLLM does. Never empty. */
  onCacheEvents?(events: readonly CacheEvent[], nowMs: number): void;
  /**
   * `steps` steps of equal batch ended; for step counts, inter-token gaps and timelines. Only how
   * steps are joined depends on how the caller slices time.
   */
  onSteps?(steps: StepsRecord): void;
}

/** A run of steps in which nothing changed but one token more per decoding sequence. */
export interface StepsRecord {
  readonly startMs: number;
  readonly endMs: number;
  readonly steps: number;
  readonly decodeSequences: number;
  readonly prefillTokens: number;
}

/** Gauges, as `/metrics` shows them. */
export interface EngineLoad {
  readonly running: number;
  readonly waiting: number;
  readonly blocksUsed: number;
  readonly blocks: number;
}

/** One engine. Not thread-safe, no timers: the caller advances it. */
export interface Engine {
  readonly load: EngineLoad;
  /**
   * Queues a request; it is looked at when the next step is formed `apiBeforeUs` or more after
   * `nowMs`. Throws `rejected-too-large` when it can never fit into the KV cache,
   * `rejected-already-exists` for the id of a live request, `rejected-invalid` for bad numbers.
   */
  add(request: EngineRequest, nowMs: number): void;
  /**
   * Frees the request when the next step is formed, at once while idle; nothing more is told of it
   * but its end. Unknown ids are ignored.
   */
  abort(requestId: number, nowMs: number): void;
  /**
   * When to advance next: the end of the step under way, or the time at which a request comes out
   * of the API server; undefined while idle.
   */
  readonly busyUntilMs: number | undefined;
  /**
   * Runs every step that ends at or before `untilMs`; while idle, time just passes. Where nothing
   * changes between steps it advances many of them in one go. Add all that arrives before `untilMs`
   * first: a request joins the first step that is formed at or after its `nowMs`. A step that ends
   * at
   * `untilMs` is ended and the next one formed: what is added after that, for that very moment,
   * joins the step after.
   */
  advance(untilMs: number): void;
  /** Prompt tokens the cache would serve now, without touching it. */
  cachedTokens(chain: BlockChain, promptTokens: number): number;
  /**
   * Forgets all cached blocks (`/reset_prefix_cache`); false, and nothing done, while blocks are in
   * use. The event comes with the next step's, as vLLM sends it.
   */
  clearCache(): boolean;
  setSlowdown(factor: number): void;
}
