import type { PrefixKey } from "../cache-index/index.ts";
import type { AdapterNews } from "./adapters.ts";

/**
 * What placement may know of one upstream. Replaced whole when a probe brings news, never edited.
 */
export interface Endpoint {
  /** Its name in logs, metrics, events and decisions. */
  readonly name: string;
  /** False takes it out of placement at once. */
  readonly healthy: boolean;
  /** One sentence for people; empty while healthy. */
  readonly unhealthyReason: string;
  /** Models it serves; empty until the first successful probe. */
  readonly models: ReadonlySet<string>;
  /** True while an operator wants it empty: what runs there ends, nothing new comes. */
  readonly isDraining?: boolean;
  /** Longest prompt and answer together by model, where the engine says; the rest is unknown. */
  readonly contextTokens?: ReadonlyMap<string, number> | undefined;
  /** Models that a breaker holds back there now, or all of them. */
  readonly heldBack?: ReadonlySet<string> | "all";
  /** Most requests this proxy keeps there at once. */
  readonly inFlightMax: number;
  /** Requests the engine last said it is running; undefined when it does not say. */
  readonly engineRunning: number | undefined;
  /** Requests the engine last said are waiting. */
  readonly engineWaiting: number | undefined;
  /** When it said so, on the monotonic clock; absent: it never did. */
  readonly engineSaidAtMs?: number | undefined;
  /** Those of `models` that are LoRA adapters. */
  readonly adapters?: ReadonlySet<string> | undefined;
  /** What the engine last said of its adapters; absent: nothing. */
  readonly adaptersInUse?: AdapterNews | undefined;
  /** Tokens that its KV cache holds; undefined when it does not say. */
  readonly kvTokens?: number | undefined;
}

/** What placement may know of one prompt. */
export interface PromptSummary {
  /** Chained; see `PromptIdentity`. */
  readonly keys: ArrayLike<PrefixKey>;
  /** Leading keys that stand for whole chunks. */
  readonly chunks: number;
  readonly chunkTokens: number;
  readonly promptTokens: number;
  /** True for prompts of token ids: keys are the engine's blocks, and tokens are counted. */
  readonly isExact: boolean;
  /** As in `PromptIdentity`; for other proxies. Absent or 0: there is none. */
  readonly endMark?: number;
  /** Empty: none. */
  readonly sessionId: string;
  readonly parentId: string | undefined;
}

/** A request, its prompt aside. */
export interface RequestOfAnyPrompt {
  readonly model: string;
  /** Endpoints that an earlier attempt of this request has failed on. */
  readonly excluded: ReadonlySet<string>;
  /** Limits of endpoints; absent where no endpoint has any. */
  readonly gate?: Gate | undefined;
}

/** What placement may know of one request. */
export interface RequestSummary extends RequestOfAnyPrompt {
  readonly prompt: PromptSummary;
}

/** Limits that endpoints have, for one request. */
export interface Gate {
  /** How long the endpoint's limits keep the request away, in ms; 0: it may go there now. */
  waitMs(endpoint: string): number;
  /** True when a limit does that which does not keep everybody else away. */
  isKeptAlone(endpoint: string): boolean;
  /** It goes there: takes it from the endpoint's limits, in the same step as the booking. */
  book(endpoint: string): void;
}

/** Why no endpoint can take a request; each is the furthest that any endpoint got. */
export type NoEndpoint =
  | "unknown-model"
  | "too-long"
  | "unhealthy"
  | "draining"
  | "excluded"
  | "held-back"
  | "closed"
  | "saturated"
  | "no-room";

/** What choosing an endpoint costs, in seconds. A type, so that it passes for a plain record. */
export type CostTerms = {
  /** Prefill that is ahead there. */
  readonly wait: number;
  /** Of its own tokens that are not cached there. */
  readonly prefill: number;
  /** Of loading the LoRA adapter that is asked for, where it is not ready. */
  readonly adapter: number;
  /** What others who run there lose while this is prefilled or loaded. */
  readonly slowdown: number;
  /** Of what the session leaves behind and displaces elsewhere. */
  readonly switching: number;
};

/** One line of an explanation. */
export interface Candidate {
  readonly endpoint: string;
  /** Sum of the terms, in seconds; lower is better. */
  readonly cost: number;
  readonly terms: CostTerms;
  /** Why it is out; undefined while it is eligible. */
  readonly excluded: NoEndpoint | undefined;
}

/** Chooses and books. */
export interface Placing {
  /**
   * Chooses and books in one synchronous step: nobody can choose by a count that is already old.
   */
  place(endpoints: readonly Endpoint[], request: RequestSummary, nowMs: number): Placed;
}

/** A choice that has been booked, or why there is none. */
export type Placed =
  | {
      readonly booking: Booking;
      /** The few best that the choice was made from, and some of those that were out. */
      readonly consider: () => readonly Candidate[];
    }
  | { readonly reason: NoEndpoint };

/** How a booked request ended. */
export interface BookingEnd {
  /** As the engine reported it; undefined where the request failed. */
  readonly usage?: {
    readonly promptTokens: number;
    /** Undefined where the engine does not say. */
    readonly cachedTokens: number | undefined;
  };
  /** What the session waits for now; see `stopRest`. */
  readonly rest: string;
}

/** One place taken at one endpoint. */
export interface Booking {
  readonly endpoint: string;
  /** Tokens of the prompt that were believed to be cached there. */
  readonly cachedTokensExpected: number;
  /** The first event came: its prefill is no longer ahead of others. */
  firstEvent(nowMs: number): void;
  /** Gives the place back; later calls do nothing. */
  release(end: BookingEnd, nowMs: number): void;
}

/** What is booked at one replica. */
export interface ReplicaLoad {
  /** Requests in flight. */
  readonly requests: number;
  /** Prefill without a first event, in seconds. */
  readonly aheadSeconds: number;
  /** KV tokens that sessions admitted there are expected to need, without what several share. */
  readonly sessionTokens: number;
}

/** A turn that another proxy sent somewhere. */
export type ForeignTurn = Pick<
  PromptSummary,
  "keys" | "chunks" | "chunkTokens" | "isExact" | "sessionId"
>;

/** Is told of each turn that is booked, and of its end. */
export interface TurnListener {
  began(prompt: PromptSummary, replica: number, nowMs: number): void;
  ended(prompt: PromptSummary, replica: number, nowMs: number): void;
}
