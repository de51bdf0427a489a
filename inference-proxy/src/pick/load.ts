/** What an engine said is forgotten after so many times the time between its last two words. */
const wordsMissed = 3;
/** Bounds of that time: a slow look is no reason to doubt, and nothing is believed for ever. */
const keptMs = { least: 3000, most: 60_000 } as const;

/** More than any engine runs: what others say beyond that is a mistake, and would overflow. */
const saidMax = 1_000_000;

/**
 * What is at each replica: what this proxy has booked itself, counted with each choice and no
 * scrape between, what others say that they have, and what the engine says is there beyond that.
 *
 * Our own count leads. An engine's word is a moment old and is of a moment, so only what exceeds
 * the most that we and other proxies had since its word before last is somebody else's ("stray").
 */
export class Load {
  /** Own requests in flight. */
  readonly requests: Int32Array;
  /** Own prefill of requests without a first event, in seconds. */
  readonly aheadSeconds: Float64Array;
  /** Both with what others have: what a choice goes by. */
  readonly allRequests: Int32Array;
  readonly allAheadSeconds: Float64Array;
  /** Own requests without a first event, in the order of booking, in which engines prefill. */
  readonly #ahead: readonly Set<BookedAt>[];
  /** The first of them: its prefill, and since when nothing of ours is before it. */
  readonly #headSeconds: Float64Array;
  readonly #headSinceMs: Float64Array;
  readonly #foreignRequests: Int32Array;
  readonly #foreignAheadSeconds: Float64Array;
  /** Requests of those who tell nobody. */
  readonly #stray: Int32Array;
  /** Most requests that were accounted for since the engine's last word, and in the time before. */
  readonly #most: Int32Array;
  readonly #mostBefore: Int32Array;
  readonly #saidAtMs: Float64Array;
  readonly #strayUntilMs: Float64Array;
  #nextForgetMs = Number.POSITIVE_INFINITY;

  constructor(replicas: number) {
    this.requests = new Int32Array(replicas);
    this.aheadSeconds = new Float64Array(replicas);
    this.allRequests = new Int32Array(replicas);
    this.allAheadSeconds = new Float64Array(replicas);
    this.#ahead = Array.from({ length: replicas }, () => new Set<BookedAt>());
    this.#headSeconds = new Float64Array(replicas);
    this.#headSinceMs = new Float64Array(replicas);
    this.#foreignRequests = new Int32Array(replicas);
    this.#foreignAheadSeconds = new Float64Array(replicas);
    this.#stray = new Int32Array(replicas);
    this.#most = new Int32Array(replicas);
    this.#mostBefore = new Int32Array(replicas);
    this.#saidAtMs = new Float64Array(replicas);
    this.#strayUntilMs = new Float64Array(replicas).fill(Number.POSITIVE_INFINITY);
  }

  /** True when nobody's prefill is ahead there, as far as anybody knows. */
  isIdle(replica: number): boolean {
    return this.allAheadSeconds[replica] === 0 && this.#stray[replica] === 0;
  }

  /**
   * Prefill that is still ahead of a request that comes now: of the one whose turn it is, what it
   * has had time for is done. Without that a replica looks busier than it is, by half a prompt on
   * average, and prompts go where nothing of them is cached. Never less than what is behind that
   * one, however late its first event is.
   */
  aheadSecondsAt(replica: number, nowMs: number): number {
    const all = this.allAheadSeconds[replica]!;
    if (all === 0) {
      return 0;
    }
    const passed = Math.max(0, nowMs - this.#headSinceMs[replica]!) / 1000;
    return Math.max(0, all - Math.min(passed, this.#headSeconds[replica]!));
  }

  /** The engine had so many requests then, whoever sent them. */
  engineSays(replica: number, requests: number, atMs: number): void {
    const most = Math.max(this.#most[replica]!, this.#mostBefore[replica]!);
    this.#mostBefore[replica] = this.#most[replica]!;
    this.#most[replica] = this.#told(replica);
    this.#stray[replica] = Math.max(0, Math.min(requests, saidMax) - most);
    const missedMs = wordsMissed * (atMs - this.#saidAtMs[replica]!);
    this.#saidAtMs[replica] = atMs;
    if (this.#stray[replica]! > 0) {
      const forMs = Math.min(keptMs.most, Math.max(keptMs.least, missedMs));
      this.#strayUntilMs[replica] = atMs + forMs;
      this.#nextForgetMs = Math.min(this.#nextForgetMs, this.#strayUntilMs[replica]!);
    }
    this.#sum(replica);
  }

  /** Forgets what engines said too long ago. */
  forgetOld(nowMs: number): void {
    if (nowMs < this.#nextForgetMs) {
      return;
    }
    this.#nextForgetMs = Number.POSITIVE_INFINITY;
    for (let replica = 0; replica < this.#stray.length; replica += 1) {
      if (this.#stray[replica] === 0) {
        continue;
      }
      if (nowMs >= this.#strayUntilMs[replica]!) {
        this.#stray[replica] = 0;
        this.#sum(replica);
      } else {
        this.#nextForgetMs = Math.min(this.#nextForgetMs, this.#strayUntilMs[replica]!);
      }
    }
  }

  /** What other proxies have there now, in place of what they last had. */
  setForeign(replica: number, requests: number, aheadSeconds: number): void {
    this.#foreignRequests[replica] = Math.min(requests, saidMax);
    this.#foreignAheadSeconds[replica] = aheadSeconds;
    this.#sum(replica);
  }

  /** Books one request; the result is to be told of its first event and its end, once each. */
  book(replica: number, prefillSeconds: number, nowMs: number): BookedLoad {
    this.requests[replica]! += 1;
    this.aheadSeconds[replica]! += prefillSeconds;
    this.#sum(replica);
    const booked = new BookedAt(this, replica, prefillSeconds);
    this.#ahead[replica]!.add(booked);
    if (this.#ahead[replica]!.size === 1) {
      this.#headSeconds[replica] = prefillSeconds;
      this.#headSinceMs[replica] = nowMs;
    }
    return booked;
  }

  /** Prefill that was booked is done; whose turn it is next begins now. */
  takePrefill(booked: BookedAt, nowMs: number): void {
    const { replica, prefillSeconds } = booked;
    const inOrder = this.#ahead[replica]!;
    const [head] = inOrder;
    inOrder.delete(booked);
    if (head === booked) {
      const [next] = inOrder;
      this.#headSeconds[replica] = next?.prefillSeconds ?? 0;
      this.#headSinceMs[replica] = nowMs;
    }
    // Sums of fractions drift: an idle replica has exactly nothing ahead.
    const left = this.aheadSeconds[replica]! - prefillSeconds;
    this.aheadSeconds[replica] = left < driftSeconds ? 0 : left;
    this.#sum(replica);
  }

  /** A request that was booked has ended. */
  takeRequest(replica: number): void {
    this.requests[replica]! -= 1;
    this.#sum(replica);
  }

  /** Requests that we, or other proxies, know to be theirs. */
  #told(replica: number): number {
    return this.requests[replica]! + this.#foreignRequests[replica]!;
  }

  #sum(replica: number): void {
    const told = this.#told(replica);
    if (told > this.#most[replica]!) {
      this.#most[replica] = told;
    }
    this.allRequests[replica] = told + this.#stray[replica]!;
    this.allAheadSeconds[replica] =
      this.aheadSeconds[replica]! + this.#foreignAheadSeconds[replica]!;
  }
}

/** A request's part in the load of a replica. */
export interface BookedLoad {
  firstEvent(nowMs: number): void;
  end(nowMs: number): void;
}

class BookedAt implements BookedLoad {
  readonly replica: number;
  readonly prefillSeconds: number;
  readonly #load: Load;
  #isAhead = true;

  constructor(load: Load, replica: number, prefillSeconds: number) {
    this.#load = load;
    this.replica = replica;
    this.prefillSeconds = prefillSeconds;
  }

  firstEvent(nowMs: number): void {
    if (this.#isAhead) {
      this.#isAhead = false;
      this.#load.takePrefill(this, nowMs);
    }
  }

  end(nowMs: number): void {
    this.firstEvent(nowMs);
    this.#load.takeRequest(this.replica);
  }
}

const driftSeconds = 1e-9;
