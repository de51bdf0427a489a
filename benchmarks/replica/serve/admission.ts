/** Whether a request may come in, as vLLM's API server decides it. */
export type Admitted =
  | "admitted"
  /** Refused before anything was sent. */
  | "refused"
  /**
   * Passed the first look and is refused when it reaches the queue: a stream has its 200 by then
   * and gets the refusal as its first event.
   */
  | "refused-late";

/** What is in flight, and what may be. */
export interface QueueState {
  /** Sequences in flight. */
  readonly load: number;
  /** Those of them that have reached the engine's queue. */
  readonly arrived: number;
  /** Prompt tokens of those without a token yet. */
  readonly backlogTokens: number;
  readonly sequencesMax: number;
  /** Undefined: no limit. */
  readonly backlogTokensMax: number | undefined;
}

/**
 * Looks at the limits twice, as vLLM does: when a request is read, at what has reached the queue
 * by then, and when it reaches the queue itself, at all that came before it. Of many that come at
 * once all pass the first look and most fail the second.
 */
export function admit(sequenceCount: number, state: QueueState): Admitted {
  const { backlogTokensMax, sequencesMax } = state;
  // One long prompt passes an idle engine: only what waits already is counted.
  if (backlogTokensMax !== undefined && state.backlogTokens >= backlogTokensMax) {
    return "refused";
  }
  if (state.arrived + sequenceCount > sequencesMax) return "refused";
  return state.load + sequenceCount > sequencesMax ? "refused-late" : "admitted";
}
