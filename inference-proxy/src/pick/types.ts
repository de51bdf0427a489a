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
  /** Models that a breaker holds back there now, or all of them. */
  readonly heldBack?: ReadonlySet<string> | "all";
  /** Most requests this proxy keeps there at once. */
  readonly inFlightMax: number;
  /** Requests the engine last said it is running; undefined when it does not say. */
  readonly engineRunning: number | undefined;
  /** Requests the engine last said are waiting. */
  readonly engineWaiting: number | undefined;
}

/** What placement may know of one request. */
export interface RequestSummary {
  readonly model: string;
  /** Endpoints that an earlier attempt of this request has failed on. */
  readonly excluded: ReadonlySet<string>;
  /** The endpoint believed to hold this conversation's prefix; undefined when nobody is. */
  readonly warmOn: string | undefined;
  /** Limits of endpoints; absent where no endpoint has any. */
  readonly gate?: Gate | undefined;
}

/** Limits that endpoints have, for one request. */
export interface Gate {
  /** How long the endpoint's limits keep the request away, in ms; 0: it may go there now. */
  waitMs(endpoint: string): number;
  /** It goes there: takes it from the endpoint's limits, in the same step as the booking. */
  book(endpoint: string): void;
}

/**
 * Requests of this proxy per endpoint, right now. Local counts lead; scraped ones only break ties.
 */
export interface Loads {
  inFlight(endpoint: string): number;
}

/** Why no endpoint can take a request; each is the furthest that any endpoint got. */
export type NoEndpoint =
  | "unknown-model"
  | "unhealthy"
  | "draining"
  | "excluded"
  | "held-back"
  | "closed"
  | "saturated";

/** The endpoint, or the reason there is none. */
export type PickResult =
  | { readonly endpoint: Endpoint; readonly reason?: undefined }
  | { readonly endpoint?: undefined; readonly reason: NoEndpoint };

/** One line of an explanation. */
export interface Candidate {
  readonly endpoint: string;
  /** Requests in flight there from here; lower is better. */
  readonly cost: number;
  /** What the comparison looks at, by name; lower is better in each. */
  readonly terms: Readonly<Record<string, number>>;
  /** Why it is out; undefined while it is eligible. */
  readonly excluded: NoEndpoint | undefined;
}
