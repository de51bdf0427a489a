import type { KvBatch, KvMessage } from "./types.ts";

/** What following one event stream needs done. */
export interface FollowHooks {
  /** Takes in one batch; they come in order and without a gap since the last `onForgotten`. */
  readonly onBatch: (batch: KvBatch) => void;
  /** Forget what the batches said: the engine began anew, or batches are lost for good. */
  readonly onForgotten: (why: Forgotten) => void;
  /** Asks the replay socket for all batches from `start` on. */
  readonly onAsk: (start: number) => void;
  /** The stream is complete up to now (true), or it is not and is being mended. */
  readonly onComplete: (isComplete: boolean) => void;
}

/** Why everything has to be forgotten. */
export type Forgotten = "restart" | "hole";

/** Bounds of one follower. */
export interface FollowLimits {
  /** Silence of a replay, in ms, after which the rest is asked for again. */
  readonly quietMs: number;
  /** Questions without any new batch before the missing ones are given up. */
  readonly asksMax: number;
  /** Batches kept that cannot be taken in yet; more are asked for again when their turn comes. */
  readonly heldMax: number;
}

/**
 * Puts the batches of one stream in order: live ones, and replayed ones where some are missing. No
 * sockets and no clock of its own.
 *
 * A replay is read in pages: whenever one ends, breaks off or falls silent, the rest is asked for
 * again, until an answer has nothing new; long replays of vLLM lose batches without a word. After a
 * break the last known batch is asked for as well: if it comes back the same, the engine is the
 * same, and what is known of it still holds.
 */
export interface Follower {
  /** The subscription is in place, for the first time or again. */
  connected(nowMs: number): void;
  /** The connection is gone; what was known stays, for the engine may have lived on. */
  lost(): void;
  /** Forgets everything and reads it all again; call it after `connected`. */
  restart(nowMs: number): void;
  live(message: KvMessage, nowMs: number): void;
  /** A replayed batch, or undefined for the end mark. */
  replayed(message: KvMessage | undefined, nowMs: number): void;
  /** Call it a few times a second. */
  tick(nowMs: number): void;
  readonly state: FollowState;
  /** Number of the batch that comes next; undefined before the first. */
  readonly next: number | undefined;
  /** True when the batches reach back to the engine's beginning. */
  readonly isFromStart: boolean;
}

/**
 * `away`: no connection. `checking`: is it the same engine? `filling`: missing batches are being
 * replayed. `live`: complete.
 */
export type FollowState = "away" | "checking" | "filling" | "live";

/** Follows one stream. */
export function createFollower(hooks: FollowHooks, limits: FollowLimits): Follower {
  return new StreamFollower(hooks, limits);
}

class StreamFollower implements Follower {
  readonly #hooks: FollowHooks;
  readonly #limits: FollowLimits;
  readonly #held = new Map<number, KvMessage>();
  state: FollowState = "away";
  next: number | undefined;
  isFromStart = false;
  /** When the batch before `next` was made: two lives of an engine never share it. */
  #lastAtMs = 0;
  #askedAtMs = 0;
  #heardAtMs = 0;
  /** Questions since the last new batch. */
  #fruitless = 0;
  #hasProgress = false;
  /** Highest batch that came too early and found no room. */
  #passedOver = -1;

  constructor(hooks: FollowHooks, limits: FollowLimits) {
    this.#hooks = hooks;
    this.#limits = limits;
  }

  connected(nowMs: number): void {
    this.#fruitless = 0;
    if (this.next === undefined) this.#fill(nowMs);
    else this.#check(nowMs);
  }

  lost(): void {
    this.#held.clear();
    this.#passedOver = -1;
    this.#become("away");
  }

  restart(nowMs: number): void {
    this.#forget("hole");
    this.#fruitless = 0;
    if (this.state !== "away") this.#fill(nowMs);
  }

  live(message: KvMessage, nowMs: number): void {
    if (this.state === "live") this.#onLive(message, nowMs);
    else if (this.state !== "away") this.#hold(message);
  }

  replayed(message: KvMessage | undefined, nowMs: number): void {
    this.#heardAtMs = nowMs;
    if (this.state === "away") return;
    if (message === undefined) this.#onReplayEnd(nowMs);
    else if (this.state === "checking") this.#onChecked(message, nowMs);
    else this.#onReplayed(message);
  }

  tick(nowMs: number): void {
    if (this.state !== "checking" && this.state !== "filling") return;
    if (nowMs - Math.max(this.#askedAtMs, this.#heardAtMs) < this.#limits.quietMs) return;
    this.#fruitless += 1;
    this.#askAgain(nowMs);
  }

  #onLive(message: KvMessage, nowMs: number): void {
    const { sequence } = message;
    if (sequence === this.next) {
      this.#take(message);
    } else if (sequence > this.next!) {
      this.#hold(message);
      this.#check(nowMs);
    } else if (message.batch.atMs > this.#lastAtMs) {
      this.#forget("restart");
      this.#hold(message);
      this.#fill(nowMs);
    }
    // Else a replay has brought it already: it is older than what came last.
  }

  #onReplayed(message: KvMessage): void {
    const next = this.next ?? 0;
    // Perhaps the rest of an answer to an earlier question: its place shows when the gap is closed.
    if (message.sequence > next) this.#hold(message);
    if (message.sequence !== next) return;
    if (this.next === undefined) this.#begin(message);
    else this.#take(message);
    this.#hasProgress = true;
    this.#fruitless = 0;
    this.#drain();
  }

  #onReplayEnd(nowMs: number): void {
    if (this.state === "live") return;
    if (this.state === "checking") {
      // It does not have a batch that it once sent: it is another one.
      this.#forget("restart");
      this.#fill(nowMs);
      return;
    }
    this.#drain();
    if (!this.#hasProgress) {
      this.#fruitless += 1;
      if (this.#isCaughtUp()) {
        this.#finish();
        return;
      }
    }
    this.#askAgain(nowMs);
  }

  /** Nothing is missing any more. */
  #finish(): void {
    if (this.next === undefined) {
      // An engine that has not done anything yet.
      this.next = 0;
      this.isFromStart = true;
    }
    this.#become("live");
  }

  /** The first answer to a question that began with a batch we know. */
  #onChecked(message: KvMessage, nowMs: number): void {
    const known = this.next! - 1;
    // Older than asked for: the rest of another answer.
    if (message.sequence < known) return;
    if (message.sequence === known && message.batch.atMs === this.#lastAtMs) {
      this.#hasProgress = true;
      this.#fruitless = 0;
      this.#become("filling");
      this.#drain();
    } else {
      this.#forget(message.sequence === known ? "restart" : "hole");
      this.#fill(nowMs);
    }
  }

  /** Asks for what is missing, or gives it up. */
  #askAgain(nowMs: number): void {
    const isEnough = this.#fruitless >= this.#limits.asksMax;
    if (isEnough && this.#giveUp()) return;
    this.#ask(this.state === "checking" ? this.next! - 1 : (this.next ?? 0), nowMs);
  }

  /** True when there was something to go on with instead. */
  #giveUp(): boolean {
    this.#fruitless = 0;
    const first = this.#firstHeld();
    if (first === undefined) {
      if (this.state !== "filling" || this.next === undefined) return false;
      // Nobody answers, and nothing shows that anything is missing.
      this.#become("live");
      return true;
    }
    // The missing batches may have removed anything: what was known before them is worth nothing.
    this.#forget("hole");
    this.#begin(first);
    this.#held.delete(first.sequence);
    this.#drain();
    if (!this.#isCaughtUp()) return false;
    this.#become("live");
    return true;
  }

  #isCaughtUp(): boolean {
    return this.#held.size === 0 && this.#passedOver < (this.next ?? 0);
  }

  #check(nowMs: number): void {
    // Before the first batch there is nothing to recognise an engine by.
    if (this.next === undefined || this.next === 0) {
      this.#fill(nowMs);
    } else {
      this.#become("checking");
      this.#ask(this.next - 1, nowMs);
    }
  }

  #fill(nowMs: number): void {
    this.#become("filling");
    this.#ask(this.next ?? 0, nowMs);
  }

  #ask(start: number, nowMs: number): void {
    this.#hasProgress = false;
    this.#askedAtMs = nowMs;
    this.#hooks.onAsk(start);
  }

  #begin(message: KvMessage): void {
    this.isFromStart = message.sequence === 0;
    this.#take(message);
  }

  #take(message: KvMessage): void {
    this.next = message.sequence + 1;
    this.#lastAtMs = message.batch.atMs;
    this.#hooks.onBatch(message.batch);
  }

  #hold(message: KvMessage): void {
    const { sequence } = message;
    if (this.#held.size < this.#limits.heldMax) this.#held.set(sequence, message);
    else this.#passedOver = Math.max(this.#passedOver, sequence);
  }

  /** Takes in what has waited for the batches before it. */
  #drain(): void {
    if (this.#held.size === 0 || this.next === undefined) return;
    for (const sequence of this.#held.keys()) {
      if (sequence < this.next) this.#held.delete(sequence);
    }
    for (;;) {
      const message = this.#held.get(this.next);
      if (message === undefined) return;
      this.#held.delete(message.sequence);
      this.#take(message);
    }
  }

  #firstHeld(): KvMessage | undefined {
    let first: KvMessage | undefined;
    for (const message of this.#held.values()) {
      if (first === undefined || message.sequence < first.sequence) first = message;
    }
    return first;
  }

  #forget(why: Forgotten): void {
    if (this.next === undefined) return;
    if (why === "restart") {
      this.#held.clear();
      this.#passedOver = -1;
    }
    this.next = undefined;
    this.isFromStart = false;
    this.#hooks.onForgotten(why);
  }

  #become(state: FollowState): void {
    if (state === this.state) return;
    const wasLive = this.state === "live";
    this.state = state;
    if (state === "live" || wasLive) this.#hooks.onComplete(state === "live");
  }
}
