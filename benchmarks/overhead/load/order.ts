/** What every kind of load has in common. */
interface Common {
  /** Where the requests go. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The mock upstream itself, for its plan and its counts. */
  readonly mockUrl: string;
  readonly mockPid: number;
  /** Root of the contender's processes; absent where there is no contender. */
  readonly contenderPid?: number;
  readonly bodyBytes: number;
}

/** Whole answers, each connection sending again as soon as it has one. */
export interface ClosedOrder extends Common {
  readonly kind: "closed";
  readonly connections: number;
  readonly warmupMs: number;
  readonly durationMs: number;
}

/** Whole answers, so many requests started a second whether or not earlier ones have ended. */
export interface OpenOrder extends Common {
  readonly kind: "open";
  readonly ratePerSecond: number;
  readonly warmupMs: number;
  readonly durationMs: number;
}

/**
 * Streams that begin on a schedule, so that `streams` are under way at once when nobody is late.
 */
export interface StreamsOrder extends Common {
  readonly kind: "streams";
  readonly streams: number;
  readonly tokens: number;
  readonly intervalMs: number;
  /** Measured after the first streams have run their whole length. */
  readonly durationMs: number;
}

/** Callers that leave before their answer is whole. */
export interface LeaveOrder extends Common {
  readonly kind: "leave";
  readonly when: LeaveMoment;
  readonly streams: number;
  readonly intervalMs: number;
  /** How long the upstream is watched after the last caller has left. */
  readonly watchMs: number;
}

/** Behind the third token, before a stream's head, before an answer that is not streamed. */
export type LeaveMoment = "midway" | "before-first" | "before-whole";

/** Nothing at all: what a contender costs while nobody asks it anything. */
export interface IdleOrder extends Common {
  readonly kind: "idle";
  readonly durationMs: number;
}

export type LoadOrder = IdleOrder | ClosedOrder | OpenOrder | StreamsOrder | LeaveOrder;

/** What the measured window cost. */
export interface Usage {
  readonly wallMs: number;
  /** CPU time of the contender's processes; absent for no contender, or no /proc. */
  readonly cpuMs?: number;
  /** Most memory resident in them together, looked at five times a second. */
  readonly rssBytes?: number;
  /** Share of one core that the load generator and the mock upstream used together. */
  readonly harnessBusy?: number;
}

/** Whole answers. Latency counts from when a request was due to the last byte of its answer. */
export interface RequestsResult {
  readonly requests: number;
  /** Answers other than 200, broken connections. */
  readonly failures: number;
  /** Due, but not answered within seconds after the window: the contender could not keep up. */
  readonly unfinished: number;
  readonly requestsPerSecond: number;
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  readonly usage: Usage;
}

/** Streams. */
export interface StreamsResult {
  /** Streams that came to their end, ramp included; each had all its tokens in their order. */
  readonly streams: number;
  /** Answers other than 200, broken streams, tokens lost, doubled or out of order. */
  readonly failures: number;
  readonly unfinished: number;
  readonly tokens: number;
  readonly tokensPerSecond: number;
  /** What the upstream makes a second when every stream begins in time. */
  readonly offeredTokensPerSecond: number;
  /** From the request to its first token. */
  readonly ttftP50Us: number;
  readonly ttftP99Us: number;
  /** From the making of a token to its arrival. */
  readonly relayP50Us: number;
  readonly relayP99Us: number;
  /** How far the gap between two arrivals lies from the gap between their makings. */
  readonly jitterP50Us: number;
  readonly jitterP99Us: number;
  readonly usage: Usage;
}

/** What the upstream did after everybody had left. */
export interface LeaveResult {
  readonly streams: number;
  readonly failures: number;
  /** Answers that the upstream saw cut within the watched time. */
  readonly cut: number;
  /** Tokens made per stream, and how many of them after its caller had left. */
  readonly tokensPerStream: number;
  readonly tokensAfterLeaving: number;
}

/** A contender at rest. */
export interface IdleResult {
  readonly usage: Usage;
}

export type LoadResult = IdleResult | RequestsResult | StreamsResult | LeaveResult;
