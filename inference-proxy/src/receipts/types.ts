/** One replica as a decision saw it. */
export interface Considered {
  readonly endpoint: string;
  /** What choosing it would have cost, in seconds; lower is better. */
  readonly cost: number;
  /** The parts of the cost by name, as the policy calls them; in seconds. */
  readonly terms: Readonly<Record<string, number>>;
  /** Why it was out; undefined while it was eligible. */
  readonly excluded: string | undefined;
}

/** One choice of a replica; a request that is tried again has several. */
export interface Decision {
  /** When, in ms since 1970. */
  readonly atMs: number;
  readonly replica: string;
  /** Time in the proxy's queue before it, in ms. */
  readonly waitedMs: number;
  /** Prompt tokens that were believed to be cached there. */
  readonly cachedTokensExpected: number;
  /** Best first; worked out when somebody reads it, since most are never read. */
  readonly consider: (() => readonly Considered[]) | undefined;
}

/** What became of a request. */
export interface Outcome {
  /** "done", "cut", "cancelled", "hit", …, or the reason of the error. */
  readonly outcome: string;
  /** Time from the request to its end, in ms. */
  readonly durationMs: number;
  /** Time to first event of the try that answered, in ms; undefined for a whole answer. */
  readonly firstEventMs: number | undefined;
  readonly interTokenMs: number | undefined;
  readonly inputTokens: number;
  /** Prompt tokens that the engine reported as cached. */
  readonly cachedTokens: number;
  /** Those that the engine's events foretold, or that were believed; undefined without a choice. */
  readonly cachedTokensPredicted: number | undefined;
  readonly outputTokens: number;
  readonly isEstimated: boolean;
  /** True when the answer asks for tools: the session goes on when they have run. */
  readonly asksForTools: boolean;
}

/** The keys of a prompt, as placement knows it: equal keys are equal prefixes. */
export type PromptKeys = ArrayLike<number>;

/** What a request was to the policy, each choice that was made for it, and what became of it. */
export interface Receipt {
  readonly requestId: string;
  /** When it was decided or refused first, in ms since 1970. */
  readonly atMs: number;
  /** Whose it is; in files as a hash. */
  readonly tenant: string;
  /** Stable over the turns of one session; empty for requests without a prompt. */
  readonly session: string;
  /** The session that waits for this one, or that it was forked from; undefined: none. */
  readonly parent: string | undefined;
  /** The session as the client names it; empty where it does not. */
  readonly sessionStated: string;
  /** How the request continues what its session sent before. */
  readonly sessionKind: string;
  /** Why and where the prompt no longer begins as its session did; undefined: it does. */
  readonly cacheBreak: string | undefined;
  readonly model: string;
  readonly operation: string;
  readonly lane: string;
  readonly bodyBytes: number;
  /** Most answer tokens that were asked for; undefined when the request did not say. */
  readonly answerTokensMax: number | undefined;
  readonly promptKeys: PromptKeys;
  /** Prompt tokens that one key stands for. */
  readonly chunkTokens: number;
  /** As estimated when it was placed. */
  readonly promptTokens: number;
  /** True where keys are an engine's blocks; else the last one stands for the prompt's end. */
  readonly isExact: boolean;
  readonly decisions: readonly Decision[];
  /** Undefined while it is under way. */
  readonly outcome: Outcome | undefined;
}

/** Bounds of what is kept in memory. */
export interface ReceiptLimits {
  /** Ended requests whose receipts are remembered; 0 writes none. */
  readonly receiptsKept: number;
}

/** Bounds of what is kept in files. */
export interface ReceiptFileLimits {
  /** Bytes after which another file is begun. */
  readonly receiptFileBytesMax: number;
  /** All files together; the oldest go first. */
  readonly receiptFilesBytesMax: number;
}
