/** Bounds on silence, all in milliseconds. */
export interface SilenceLimits {
  /** Longest wait for the first event of a stream, whatever explains it. */
  readonly firstEventTimeoutMs: number;
  /** Longest silence between two events of a stream, whatever explains it. */
  readonly idleTimeoutMs: number;
  /** Longest wait for an answer that is not streamed. */
  readonly wholeTimeoutMs: number;
  /** Silence that is allowed beyond what the replica's own pace explains. */
  readonly silenceGraceMs: number;
}

/** What is known of a replica by other means than its answers. */
export interface ReplicaSight {
  /** False while its probes fail. */
  readonly isHealthy: boolean;
  /**
   * True for engines whose every token is an event: between two of them nothing but their pace
   * passes. A provider may think for minutes without a word.
   */
  readonly isSteady: boolean;
  /** When the engine last said that it had nothing to do, on the monotonic clock. */
  readonly idleAtMs: number | undefined;
  /** Requests that wait inside it by its own last word, whoever sent them; 0 if it says nothing. */
  readonly engineWaiting: number;
}

/** One request at one replica, as far as its signs of life go. */
export interface Vigil {
  /**
   * Looks whether its silence is still explained. Milliseconds after which to look again; 0 when it
   * is given up.
   */
  check(): number;
  /** How long it has been silent, for the words of its error. */
  readonly silentMs: number;
  /** Its first event, or its whole answer, has come. */
  opened(): void;
  /** Another event has come. */
  event(): void;
  /** Nobody reads: its silence is the client's. */
  pause(): void;
  resume(): void;
  /** It is over, however it ended. Later calls do nothing. */
  end(): void;
}

/** A request as it is sent. */
export interface VigilRequest {
  readonly replica: string;
  readonly isStream: boolean;
  /** Estimated tokens of its prompt. */
  readonly promptTokens: number;
}

/** Watches over every request that is at a replica. */
export interface Liveness {
  begin(request: VigilRequest): Vigil;
  /** A replica that was silent is tried again: those who try it wait as long as ever. */
  pardon(replica: string): void;
}
