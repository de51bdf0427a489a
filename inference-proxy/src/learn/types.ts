/** What a finished stream taught about its replica. */
export interface PaceSample {
  /** From sending the request to its first event. */
  readonly firstEventMs: number;
  /** Mean time between the events after it; undefined with fewer than two. */
  readonly interTokenMs: number | undefined;
}

/** What is believed of a replica's pace; undefined until something was seen. */
export interface LearnedPace {
  readonly firstEventMs: number | undefined;
  readonly interTokenMs: number | undefined;
}
