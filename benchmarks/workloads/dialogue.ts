import { type Contents, tokensOf } from "./contents.ts";
import type { GapKind, Segment, SessionPlan, TurnPlan } from "./types.ts";

/** What comes before a turn's call. */
export interface TurnStart {
  readonly appendTokens: number;
  readonly outputTokens: number;
  readonly gapBeforeMs: number;
  readonly gapKind: GapKind;
  readonly toolName?: string;
}

/**
 * Writes one session down turn by turn: what is appended, what is answered. Turns share one list of
 * runs until the context is rewritten.
 */
export class Dialogue {
  readonly #contents: Contents;
  readonly #turns: TurnPlan[] = [];
  #segments: Segment[];
  #tokens: number;

  constructor(contents: Contents, prefix: readonly Segment[]) {
    this.#contents = contents;
    this.#segments = [...prefix];
    this.#tokens = tokensOf(prefix);
  }

  get turns(): readonly TurnPlan[] {
    return this.#turns;
  }

  /** Tokens of everything said so far. */
  get tokens(): number {
    return this.#tokens;
  }

  /** What has been said so far, for those who continue from it. */
  get context(): readonly Segment[] {
    return [...this.#segments];
  }

  /** Appends a message and the answer to it. */
  ask(start: TurnStart): void {
    const { appendTokens, outputTokens, gapBeforeMs, gapKind, toolName } = start;
    this.#segments.push(this.#contents.fresh(appendTokens));
    const promptSegments = this.#segments.length;
    const promptTokens = this.#tokens + appendTokens;
    this.#segments.push(this.#contents.fresh(outputTokens));
    this.#tokens = promptTokens + outputTokens;
    this.#turns.push({
      segments: this.#segments,
      promptSegments,
      promptTokens,
      outputTokens,
      gapBeforeMs: Math.round(gapBeforeMs),
      gapKind,
      ...(toolName === undefined ? {} : { toolName }),
    });
  }

  /** The last turn's client leaves after so many tokens of the answer. */
  leaveAfter(tokens: number): void {
    this.#changeLast({ abortAfterTokens: tokens });
  }

  /** The last turn starts these, and the next one waits for them. */
  spawn(children: readonly SessionPlan[]): void {
    this.#changeLast({ children });
  }

  /** Compaction: everything after the first `kept` runs is replaced by a summary. */
  compact(kept: number, summaryTokens: number): void {
    const prefix = this.#segments.slice(0, kept);
    this.#segments = [...prefix, this.#contents.fresh(summaryTokens)];
    this.#tokens = tokensOf(this.#segments);
  }

  #changeLast(change: Partial<TurnPlan>): void {
    const last = this.#turns.at(-1);
    if (last === undefined) throw new Error("a session's first turn comes before what changes it");
    this.#turns[this.#turns.length - 1] = { ...last, ...change };
  }
}
