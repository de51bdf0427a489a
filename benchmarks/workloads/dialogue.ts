import { type Contents, tokensOf } from "./contents.ts";
import type { GapKind, Segment, SessionPlan, TurnPlan } from "./types.ts";

/** A turn, but for what is said in it. */
interface TurnFrame {
  readonly outputTokens: number;
  readonly gapBeforeMs: number;
  readonly gapKind: GapKind;
  readonly toolName?: string;
}

/** A turn that appends so many new tokens. */
export interface TurnStart extends TurnFrame {
  readonly appendTokens: number;
}

/** A turn that appends what others have said too. */
export interface RepeatedTurn extends TurnFrame {
  readonly question: Segment;
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

  /** How many runs that is. */
  get runs(): number {
    return this.#segments.length;
  }

  /** What has been said so far, for those who continue from it. */
  get context(): readonly Segment[] {
    return [...this.#segments];
  }

  /** Appends a new message and the answer to it. */
  ask({ appendTokens, ...frame }: TurnStart): void {
    this.#append(this.#contents.fresh(appendTokens), frame);
  }

  /** Appends a message that comes again, and a new answer to it. */
  askAgain({ question, ...frame }: RepeatedTurn): void {
    this.#append(question, frame);
  }

  /**
   * The last turn's client leaves after so many tokens of the answer, and drops what it got: should
   * the session go on, then without that answer.
   */
  leaveAfter(tokens: number): void {
    this.#changeLast({ abortAfterTokens: tokens });
    this.#segments = this.#segments.slice(0, -1);
    this.#tokens = tokensOf(this.#segments);
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

  #append(message: Segment, { outputTokens, gapBeforeMs, gapKind, toolName }: TurnFrame): void {
    this.#segments.push(message);
    const promptSegments = this.#segments.length;
    const promptTokens = this.#tokens + message.tokens;
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

  #changeLast(change: Partial<TurnPlan>): void {
    const last = this.#turns.at(-1);
    if (last === undefined) throw new Error("a session's first turn comes before what changes it");
    this.#turns[this.#turns.length - 1] = { ...last, ...change };
  }
}
