/** What a workload is made of: sessions whose turns are known in advance, tokens by identity. */

/**
 * A run of tokens that always comes as one: equal `content` = equal tokens. The answer of a turn
 * is a segment too, so that the next turn's prompt continues it.
 */
export interface Segment {
  readonly content: number;
  readonly tokens: number;
}

/** What the session waits for before a turn. */
export type GapKind = "start" | "tool" | "human" | "join";

export interface TurnPlan {
  /** Tokens of the session so far; shared by its turns until something rewrites the context. */
  readonly segments: readonly Segment[];
  /** The prompt is `segments[0..promptSegments)`; the answer is `segments[promptSegments]`. */
  readonly promptSegments: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** Measured from the end of the previous turn (0 for the first). */
  readonly gapBeforeMs: number;
  readonly gapKind: GapKind;
  /** Of the tool that the gap is spent in. */
  readonly toolName?: string;
  /** The client leaves after so many answer tokens. */
  readonly abortAfterTokens?: number;
  /** Sessions that start when this turn has ended; the next turn waits for all of them. */
  readonly children?: readonly SessionPlan[];
}

/** Who waits: sets the SLO a turn is held to. */
export type SloClass = "interactive" | "agent" | "batch";

export interface SessionPlan {
  readonly id: string;
  readonly tenant: string;
  readonly sloClass: SloClass;
  /** Open-loop arrival, from the beginning of the workload; closed-loop runs ignore it. */
  readonly startMs: number;
  /** At least one. */
  readonly turns: readonly TurnPlan[];
  /** Isolates the session's cache from others'; absent: shared. */
  readonly cacheSalt?: string;
}

/** A named, seeded source of sessions. The same seed gives the same sessions. */
export interface Workload {
  readonly name: string;
  /** In one sentence, with the source of its numbers. */
  readonly about: string;
  /** Endless or finite, ordered by `startMs`. */
  sessions(seed: number): Iterable<SessionPlan>;
}
