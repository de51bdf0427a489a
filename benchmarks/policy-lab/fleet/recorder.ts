import type { StepsRecord } from "../../engine/types.ts";
import type { SloClass } from "../../workloads/types.ts";
import { createHistogram, type HistogramBuilder } from "../histogram.ts";
import type { CellResult, ClassResult } from "../result.ts";
import { sloClasses, slos } from "../slo.ts";
import type { Attempt, LiveTurn } from "./attempt.ts";
import type { LiveSession } from "./live-session.ts";
import { createTenantBooks, type TenantBooks } from "./tenant-books.ts";

/** Everything of a result that is counted while the fleet runs. */
export type Recorded = Pick<
  CellResult,
  | "jobsPerSecond"
  | "turnsPerSecond"
  | "outputTokensPerSecond"
  | "goodputPerSecond"
  | "classes"
  | "itlMs"
  | "promptTokens"
  | "hitTokens"
  | "boundTokens"
  | "evictions"
  | "preemptions"
  | "tenants"
  | "jain"
  | "retries"
  | "aborts"
  | "refusals"
  | "longestWaitMs"
  | "held"
>;

interface ClassBooks {
  turns: number;
  turnsInSlo: number;
  readonly firstTurnTtftMs: HistogramBuilder;
  readonly laterTurnTtftMs: HistogramBuilder;
  readonly tpotMs: HistogramBuilder;
  readonly turnMs: HistogramBuilder;
  readonly jctMs: HistogramBuilder;
}

/** Counts what happens within the measured window; the rest of the run is not seen. */
export class Recorder {
  readonly #fromMs: number;
  readonly #toMs: number;
  readonly #classes = new Map<SloClass, ClassBooks>();
  readonly #itlMs = createHistogram();
  readonly #heldMs = createHistogram();
  readonly #tenants: TenantBooks;
  readonly prefillTokensOf: Float64Array;
  #jobs = 0;
  #outputTokens = 0;
  #promptTokens = 0;
  #hitTokens = 0;
  #boundTokens = 0;
  #evictions = 0;
  #preemptions = 0;
  #retries = 0;
  #aborts = 0;
  #refusals = 0;
  #longestWaitMs = 0;
  #heldTurns = 0;
  /** Over the whole run. */
  steps = 0;
  tokenEvents = 0;

  /** `idleTurnMs`: how long the turn would take on an idle replica with all of it cached. */
  constructor(options: {
    readonly fromMs: number;
    readonly toMs: number;
    readonly replicas: number;
    readonly idleTurnMs: (turn: LiveTurn) => number;
  }) {
    this.#fromMs = options.fromMs;
    this.#toMs = options.toMs;
    this.prefillTokensOf = new Float64Array(options.replicas);
    this.#tenants = createTenantBooks(options.idleTurnMs);
  }

  isMeasured(timeMs: number): boolean {
    return timeMs >= this.#fromMs && timeMs < this.#toMs;
  }

  admitted({ turn, request, replica }: Attempt, nowMs: number, cachedTokens: number): void {
    if (!this.isMeasured(nowMs)) return;
    const prefillTokens = request.promptTokens - cachedTokens;
    this.#promptTokens += request.promptTokens;
    this.#hitTokens += cachedTokens;
    this.#boundTokens += turn.boundTokens;
    this.prefillTokensOf[replica] = (this.prefillTokensOf[replica] ?? 0) + prefillTokens;
    this.#tenants.prefilled(turn, prefillTokens);
  }

  firstToken({ session, index, sentMs }: LiveTurn, nowMs: number): void {
    if (!this.isMeasured(nowMs)) return;
    const books = this.#classBooks(session.plan.sloClass);
    (index === 0 ? books.firstTurnTtftMs : books.laterTurnTtftMs).add(nowMs - sentMs);
  }

  turnEnded(turn: LiveTurn, nowMs: number): void {
    if (!this.isMeasured(nowMs)) return;
    const { session, sentMs, outputTokens, heldMs } = turn;
    const firstTokenMs = turn.firstTokenMs ?? nowMs;
    const books = this.#classBooks(session.plan.sloClass);
    const slo = slos[session.plan.sloClass];
    const tpotMs = outputTokens > 1 ? (nowMs - firstTokenMs) / (outputTokens - 1) : 0;
    books.turns += 1;
    books.turnMs.add(nowMs - sentMs);
    if (outputTokens > 1) books.tpotMs.add(tpotMs);
    if (firstTokenMs - sentMs <= slo.ttftMs && tpotMs <= slo.tpotMs) books.turnsInSlo += 1;
    this.#outputTokens += outputTokens;
    if (outputTokens < turn.plan.outputTokens) this.#aborts += 1;
    if (heldMs > 0) {
      this.#heldTurns += 1;
      this.#heldMs.add(heldMs);
    }
    this.#tenants.ended(turn, nowMs);
  }

  sessionEnded(session: LiveSession, nowMs: number): void {
    if (session.parent !== undefined || !this.isMeasured(nowMs)) return;
    this.#jobs += 1;
    if (session.firstTurn > 0) return;
    this.#classBooks(session.plan.sloClass).jctMs.add(nowMs - session.startedMs);
  }

  stepsEnded({ startMs, endMs, steps, decodeSequences, prefillTokens }: StepsRecord): void {
    this.steps += steps;
    this.tokenEvents += steps * decodeSequences + prefillTokens;
    if (decodeSequences === 0 || !this.isMeasured(endMs)) return;
    this.#itlMs.add((endMs - startMs) / steps, steps * decodeSequences);
  }

  evicted(blocks: number, nowMs: number): void {
    if (this.isMeasured(nowMs)) this.#evictions += blocks;
  }

  preempted(nowMs: number): void {
    if (this.isMeasured(nowMs)) this.#preemptions += 1;
  }

  retried(nowMs: number): void {
    if (this.isMeasured(nowMs)) this.#retries += 1;
  }

  /** A held request was placed or refused. */
  waited(waitMs: number, nowMs: number): void {
    if (this.isMeasured(nowMs)) this.#longestWaitMs = Math.max(this.#longestWaitMs, waitMs);
  }

  refused(nowMs: number): void {
    if (this.isMeasured(nowMs)) this.#refusals += 1;
  }

  /** The window's figures; rates over the part of it that lies before `endedMs`. */
  finish(endedMs: number): Recorded {
    const seconds = Math.max(1, Math.min(endedMs, this.#toMs) - this.#fromMs) / 1000;
    const classes = [...this.#classes.values()];
    const sum = (of: (books: ClassBooks) => number) =>
      classes.reduce((total, books) => total + of(books), 0);
    return {
      jobsPerSecond: this.#jobs / seconds,
      turnsPerSecond: sum(({ turns }) => turns) / seconds,
      outputTokensPerSecond: this.#outputTokens / seconds,
      goodputPerSecond: sum(({ turnsInSlo }) => turnsInSlo) / seconds,
      classes: this.#buildClasses(),
      itlMs: this.#itlMs.build(),
      promptTokens: this.#promptTokens,
      hitTokens: this.#hitTokens,
      boundTokens: this.#boundTokens,
      evictions: this.#evictions,
      preemptions: this.#preemptions,
      ...this.#tenants.finish(),
      retries: this.#retries,
      aborts: this.#aborts,
      refusals: this.#refusals,
      longestWaitMs: this.#longestWaitMs,
      held: { turns: this.#heldTurns, heldMs: this.#heldMs.build() },
    };
  }

  #classBooks(name: SloClass): ClassBooks {
    let books = this.#classes.get(name);
    if (books === undefined) {
      books = {
        turns: 0,
        turnsInSlo: 0,
        firstTurnTtftMs: createHistogram(),
        laterTurnTtftMs: createHistogram(),
        tpotMs: createHistogram(),
        turnMs: createHistogram(),
        jctMs: createHistogram(),
      };
      this.#classes.set(name, books);
    }
    return books;
  }

  #buildClasses(): { readonly [Class in SloClass]?: ClassResult } {
    const built: { [Class in SloClass]?: ClassResult } = {};
    for (const name of sloClasses) {
      const books = this.#classes.get(name);
      if (books === undefined) continue;
      built[name] = {
        turns: books.turns,
        turnsInSlo: books.turnsInSlo,
        firstTurnTtftMs: books.firstTurnTtftMs.build(),
        laterTurnTtftMs: books.laterTurnTtftMs.build(),
        tpotMs: books.tpotMs.build(),
        turnMs: books.turnMs.build(),
        jctMs: books.jctMs.build(),
      };
    }
    return built;
  }
}
