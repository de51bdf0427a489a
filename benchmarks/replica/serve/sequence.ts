/** One sequence to generate; its answer is known, its timing and its place in the cache are not. */
export interface Sequence {
  readonly prompt: readonly number[];
  /** Token ids of the answer; at least one. */
  readonly output: readonly number[];
  readonly salt: string | undefined;
  readonly session: string | undefined;
  /** Lower runs first, under the policy `priority`. */
  readonly priority: number;
  readonly finishReason: "stop" | "length";
  readonly maxTokens: number;
  /** Sequences of the same request. */
  readonly n: number;
}

/** Who is told how a sequence goes on; each method may be called during any other call. */
export interface SequenceListener {
  /** So many tokens of the answer exist by now; `cachedTokens` of the prompt were cached. */
  onTokens(tokenCount: number, cachedTokens: number): void;
  /** The last token was told before. */
  onFinished(): void;
  /** The engine died. */
  onFailed(): void;
}

/** When the parts of a finished sequence happened, in engine milliseconds. */
export interface SequenceTimes {
  /** At the API server. */
  readonly arrivedMs: number;
  /** In the engine's queue, and out of it for the first time. */
  readonly queuedMs: number;
  readonly admittedMs: number;
  /** First and last token out of the engine; the client gets them `apiAfterMs` later. */
  readonly firstMs: number;
  readonly lastMs: number;
  readonly apiAfterMs: number;
  readonly cachedTokens: number;
  readonly preemptions: number;
}
