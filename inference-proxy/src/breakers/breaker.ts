import { backoffMs, type Random } from "@warmpath/runtime/base";
import { createRollingWindow, type RollingWindow } from "./rolling-window.ts";
import type { BreakerLimits, BreakerState } from "./types.ts";

/**
 * One breaker: closed, open for a cooldown that grows with each opening in a row, half-open until
 * enough trials succeed or one fails. It has no clock: each call says what time it is.
 */
export interface Breaker {
  readonly state: BreakerState;
  /** Why it is not closed; empty while it is. */
  readonly reason: string;
  /** When it may be tried again, on the caller's clock; only while open. */
  readonly openUntilMs: number;
  /** True when a request may go through now. */
  readonly admits: boolean;
  /**
   * A request ended, or began to answer. What was sent before the last change of state says
   * nothing about the state that follows it. True when the breaker changed its state.
   */
  note(nowMs: number, outcome: NotedOutcome): boolean;
  /** Opens at once, whatever the window says; while open it only gives another reason. */
  trip(nowMs: number, reason: string): void;
  /** The cooldown is over, and whatever else was asked for is well: trials may begin. */
  halfOpen(nowMs: number): void;
  /** A canary did not come through: another, longer cooldown. */
  reopen(nowMs: number): void;
  /** A request takes a trial place while half-open; nothing otherwise. */
  beginTrial(): { end(): void } | undefined;
  /** The 99th of a hundred first events, in milliseconds; undefined with too few to say. */
  slowestMs(nowMs: number): number | undefined;
}

/** First events in the window below which a p99 is an accident. */
const slowSamplesMin = 20;

/** What a breaker wants to know of a request. */
export interface NotedOutcome {
  readonly sentAtMs: number;
  readonly isFailure: boolean;
  /** It failed for want of room: no fault by itself, yet many in a row are a reason to wait. */
  readonly isBusy: boolean;
  readonly firstEventMs: number | undefined;
}

/** An opening within so many longest cooldowns of the last counts as one in a row with it. */
const inARowCooldowns = 10;

/** Makes a closed one. */
export function createBreaker(options: {
  readonly limits: BreakerLimits;
  readonly random: Random;
}): Breaker {
  return new RollingBreaker(options.limits, options.random);
}

class RollingBreaker implements Breaker {
  state: BreakerState = "closed";
  reason = "";
  openUntilMs = 0;
  readonly #limits: BreakerLimits;
  readonly #random: Random;
  readonly #window: RollingWindow;
  #openings = 0;
  #failuresInARow = 0;
  #failedAtMs = Number.NEGATIVE_INFINITY;
  #trials = 0;
  #successes = 0;
  #changedAtMs = Number.NEGATIVE_INFINITY;
  /** Ends of trials that began before the last change of state are nobody's. */
  #generation = 0;

  constructor(limits: BreakerLimits, random: Random) {
    this.#limits = limits;
    this.#random = random;
    this.#window = createRollingWindow(limits.windowMs);
  }

  get admits(): boolean {
    const mayTry = this.state === "half-open" && this.#trials < this.#limits.trialsMax;
    return this.state === "closed" || mayTry;
  }

  note(nowMs: number, outcome: NotedOutcome): boolean {
    if (this.state === "open" || outcome.sentAtMs < this.#changedAtMs) {
      return false;
    }
    return this.state === "half-open"
      ? this.#noteTrial(nowMs, outcome.isFailure)
      : this.#noteClosed(nowMs, outcome);
  }

  trip(nowMs: number, reason: string): void {
    if (this.state === "open") {
      this.reason = reason;
    } else {
      this.#open(nowMs, reason);
    }
  }

  halfOpen(nowMs: number): void {
    if (this.state === "open") {
      this.#enter("half-open", nowMs);
    }
  }

  reopen(nowMs: number): void {
    if (this.state === "open") {
      this.#open(nowMs, this.reason);
    }
  }

  beginTrial(): { end(): void } | undefined {
    if (this.state !== "half-open") {
      return undefined;
    }
    this.#trials += 1;
    const generation = this.#generation;
    let isEnded = false;
    return {
      end: () => {
        if (!isEnded && generation === this.#generation) {
          this.#trials -= 1;
        }
        isEnded = true;
      },
    };
  }

  slowestMs(nowMs: number): number | undefined {
    return this.#window.firstEventQuantile(nowMs, 0.99, slowSamplesMin);
  }

  #noteClosed(nowMs: number, { isFailure, isBusy, firstEventMs }: NotedOutcome): boolean {
    const { requestsMin, failureShare, windowMs } = this.#limits;
    const isInARow = isFailure && nowMs - this.#failedAtMs < windowMs;
    this.#failuresInARow = (isInARow ? this.#failuresInARow : 0) + (isFailure ? 1 : 0);
    this.#failedAtMs = isFailure ? nowMs : this.#failedAtMs;
    if (this.#failuresInARow >= requestsMin) {
      // It answers at once, so it always looks the least loaded: it would soon have all of them.
      this.#open(
        nowMs,
        `${this.#failuresInARow} requests in a row ${isBusy ? "found no room" : "failed"}`,
      );
      return true;
    }
    if (isBusy) {
      return false;
    }
    this.#window.add(nowMs, isFailure, firstEventMs);
    if (!isFailure) {
      return false;
    }
    const { requests, failures } = this.#window.counts(nowMs);
    if (requests < requestsMin || failures < requests * failureShare) {
      return false;
    }
    this.#open(nowMs, `${failures} of its last ${requests} requests failed`);
    return true;
  }

  #noteTrial(nowMs: number, isFailure: boolean): boolean {
    if (isFailure) {
      this.#open(nowMs, "a request that tried it out failed");
      return true;
    }
    this.#successes += 1;
    if (this.#successes < this.#limits.trialsMax) {
      return false;
    }
    this.#enter("closed", nowMs);
    this.reason = "";
    return true;
  }

  #open(nowMs: number, reason: string): void {
    const { cooldownMs, cooldownMsMax } = this.#limits;
    const isInARow = nowMs - this.openUntilMs < cooldownMsMax * inARowCooldowns;
    this.#openings = this.openUntilMs > 0 && isInARow ? this.#openings + 1 : 0;
    this.openUntilMs = nowMs + backoffMs(this.#openings, cooldownMs, cooldownMsMax, this.#random);
    this.#enter("open", nowMs);
    this.reason = reason;
    this.#window.clear();
  }

  #enter(state: BreakerState, nowMs: number): void {
    this.state = state;
    this.#changedAtMs = nowMs;
    this.#trials = 0;
    this.#successes = 0;
    this.#failuresInARow = 0;
    this.#generation += 1;
  }
}
