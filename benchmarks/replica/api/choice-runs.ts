import { after } from "@warmpath/runtime/base";
import type { AnswerFaults } from "../faults/fault-state.ts";
import type { Call } from "./call.ts";
import { type ApiError, engineDead } from "./errors.ts";
import type { Exchange } from "./generated-answer.ts";
import type { Counts } from "./usage.ts";

/** Who hears of an answer's progress; one of the last three is the end. */
export interface AnswerListener {
  /** New tokens, `from` to `to` of the choice at `at`, one entry for each event of a stream. */
  onTokens(events: readonly TokensEvent[]): void;
  onEnd(counts: Counts): void;
  onError(error: ApiError): void;
  onCut(): void;
}

/** Tokens that leave together. */
export interface TokensEvent {
  readonly at: number;
  readonly from: number;
  readonly to: number;
  /** Of this choice alone, up to these tokens. */
  readonly counts: Counts;
}

/** The sequences of one request on the engine, and the faults that strike its answer. */
export class ChoiceRuns {
  readonly #exchange: Exchange;
  readonly #call: Call;
  readonly #faults: AnswerFaults;
  readonly #listener: AnswerListener;
  readonly #ids: number[] = [];
  /** Tokens that exist, and tokens that were told, of each choice. */
  readonly #made: number[];
  readonly #told: number[];
  #toldTokens = 0;
  #cachedTokens = 0;
  #unfinished: number;
  #stall: "ahead" | "now" | "over";
  #stallTimer: { cancel(): void } | undefined;
  #isTelling = false;
  #isOver = false;

  constructor(exchange: Exchange, call: Call, faults: AnswerFaults, listener: AnswerListener) {
    this.#exchange = exchange;
    this.#call = call;
    this.#faults = faults;
    this.#listener = listener;
    this.#made = exchange.choices.map(() => 0);
    this.#told = exchange.choices.map(() => 0);
    this.#unfinished = exchange.choices.length;
    this.#stall = faults.stall === undefined ? "over" : "ahead";
  }

  /** Queues the sequences; they are taken back as soon as the client leaves. */
  start(): void {
    const { request, choices } = this.#exchange;
    const { http, context } = this.#call;
    if (http.signal.aborted) return;
    http.signal.addEventListener("abort", () => this.#abort(), { once: true });
    for (const [at, { prompt, generated }] of choices.entries()) {
      const sequence = {
        prompt,
        output: generated.tokens,
        salt: request.cacheSalt,
        session: request.sessionId,
        priority: request.priority,
        finishReason: generated.finishReason,
        maxTokens: request.maxTokens ?? generated.tokens.length,
        n: request.n,
      };
      const id = context.engine.start(sequence, {
        onTokens: (tokenCount, cachedTokens) => {
          this.#cachedTokens = Math.max(this.#cachedTokens, cachedTokens);
          this.#made[at] = tokenCount;
          if (choices.length === 1) this.#tell();
          else this.#tellSoon();
        },
        onFinished: () => {
          this.#unfinished -= 1;
          this.#endIfTold();
        },
        onFailed: () => this.#fail(engineDead()),
      });
      this.#ids.push(id);
    }
  }

  /** Tells once every choice has said what the steps just run brought it. */
  #tellSoon(): void {
    if (this.#isTelling) return;
    this.#isTelling = true;
    queueMicrotask(() => {
      this.#isTelling = false;
      this.#tell();
      this.#endIfTold();
    });
  }

  /**
   * Tells what can be told now, up to the token at which a fault strikes: in the order of the
   * steps, and of the choices within each, as an engine does that never runs behind.
   */
  #tell(): void {
    if (this.#isOver || this.#stall === "now") return;
    const events: TokensEvent[] = [];
    for (let before = -1; before < events.length; ) {
      before = events.length;
      for (let at = 0; at < this.#made.length && !this.#isStruck(); at++) {
        const event = this.#nextEvent(at);
        if (event !== undefined) events.push(event);
      }
    }
    if (events.length > 0) this.#listener.onTokens(events);
    if (this.#isStruck() && this.#hasMore()) this.#strike();
  }

  /** The next tokens of a choice that leave together: the first alone, then by the interval. */
  #nextEvent(at: number): TokensEvent | undefined {
    const from = this.#told[at] ?? 0;
    const made = this.#made[at] ?? 0;
    const total = this.#exchange.choices[at]?.generated.tokens.length ?? 0;
    const size = from === 0 ? 1 : this.#call.context.config.streamInterval;
    const to = Math.min(from + size, total);
    if (to > made || to === from) return undefined;
    this.#told[at] = to;
    this.#toldTokens += to - from;
    return { at, from, to, counts: this.#countsOf(at) };
  }

  #hasMore(): boolean {
    return this.#made.some((made, at) => made > (this.#told[at] ?? 0));
  }

  #isStruck(): boolean {
    const { stall, die, error } = this.#faults;
    const told = this.#toldTokens;
    if (die !== undefined && told >= die.afterTokens) return true;
    if (error !== undefined && told >= error.afterTokens) return true;
    return this.#stall === "ahead" && stall !== undefined && told >= stall.afterTokens;
  }

  #strike(): void {
    const { stall, die, error } = this.#faults;
    if (die !== undefined && this.#toldTokens >= die.afterTokens) {
      this.#abort();
      this.#listener.onCut();
    } else if (error !== undefined && this.#toldTokens >= error.afterTokens) {
      this.#fail(error.error);
    } else if (stall !== undefined) {
      this.#stall = "now";
      const { clock } = this.#call.context;
      this.#stallTimer = after(clock, stall.ms, () => {
        this.#stall = "over";
        this.#tell();
        this.#endIfTold();
      });
    }
  }

  #endIfTold(): void {
    if (this.#isOver || this.#unfinished > 0 || this.#hasMore()) return;
    this.#isOver = true;
    this.#listener.onEnd(this.#counts());
  }

  #fail(error: ApiError): void {
    if (this.#isOver) return;
    this.#abort();
    this.#listener.onError(error);
  }

  #abort(): void {
    this.#isOver = true;
    this.#stallTimer?.cancel();
    for (const id of this.#ids) this.#call.context.engine.abort(id);
  }

  /** What a chunk of one choice may say: its own prompt, and its own tokens so far. */
  #countsOf(at: number): Counts {
    const counts = this.#counts();
    if (this.#made.length === 1) return counts;
    const promptTokens = this.#exchange.choices[at]?.prompt.length ?? 0;
    return { ...counts, promptTokens, completionTokens: this.#told[at] ?? 0 };
  }

  #counts(): Counts {
    return {
      promptTokens: this.#exchange.promptTokens,
      cachedTokens: this.#cachedTokens,
      completionTokens: this.#toldTokens,
      blockTokens: this.#call.context.config.blockSize,
      hasDetails: this.#call.context.config.promptTokensDetails,
    };
  }
}
