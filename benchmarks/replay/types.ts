/** What a replay reads of a receipt; the proxy's `receipts/receipt-line.ts` writes them. */
export interface ReplayedRequest {
  /** When it came, in ms since 1970. */
  readonly arrivedAtMs: number;
  readonly endedAtMs: number;
  /** Time in the proxy's queue, in ms. */
  readonly waitedMs: number;
  /** A hash; requests without a session have one of their own. */
  readonly session: string;
  readonly parent: string | undefined;
  readonly tenant: string;
  readonly lane: string;
  /** Who answered. */
  readonly replica: string;
  /** Chained keys of whole chunks: equal keys are equal prefixes. */
  readonly keys: readonly number[];
  /** Prompt tokens that one key stands for, by the proxy's estimate of the whole prompt. */
  readonly chunkTokens: number;
  /** That estimate. */
  readonly estimatedTokens: number;
  /** As the engine counted. */
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  /** From sending it to the replica to its first event; undefined for a whole answer. */
  readonly firstEventMs: number | undefined;
  readonly asksForTools: boolean;
}

/** A day as its receipts tell it. */
export interface Recording {
  /** In the order of their arrival. */
  readonly requests: readonly ReplayedRequest[];
  /** Names of the replicas that answered, sorted. */
  readonly replicas: readonly string[];
  /** Receipts of requests that reached no replica or were served nothing. */
  readonly leftOut: number;
}

/** One line of the comparison. */
export interface ReplayRow {
  readonly policy: string;
  readonly turnsPerSecond: number;
  readonly ttftP50Ms: number;
  readonly ttftP90Ms: number;
  /** Cached prompt tokens over all of them, from 0 to 1. */
  readonly hitRate: number;
  /** Sessions that had turns at more than one replica. */
  readonly movedSessions: number;
  /** Turns that were told to come again later, once for each time. */
  readonly refusals: number;
  /** Turns that were sent and neither ended nor were under way at the end. */
  readonly lostTurns: number;
}
