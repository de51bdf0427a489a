import type { Clock } from "@warmpath/runtime/base";
import { BlockCache, type CacheHold } from "./block-cache.ts";
import type { ReplicaConfig } from "./config.ts";
import { busy } from "./errors.ts";
import type { ReplicaMetrics } from "./metrics.ts";

/**
 * One sequence to generate; its answer is known, only its timing and its place in the cache are
 * not.
 */
export interface Job {
  readonly prompt: readonly number[];
  readonly output: readonly number[];
  readonly salt: string;
  readonly finishReason: "stop" | "length";
  readonly maxTokens: number;
  readonly n: number;
}

/** Progress of a job: how many of its tokens exist by now. */
export interface Progress {
  readonly cachedTokens: number;
  readonly tokenCount: number;
}

/** An admitted job: `steps` ends when the last token exists, or throws the signal's reason. */
export interface Admission {
  steps(): AsyncGenerator<Progress>;
}

type Timing = Pick<
  ReplicaConfig,
  | "overheadMs"
  | "prefillMsPerKilotoken"
  | "decodeMs"
  | "maxNumSeqs"
  | "maxNumQueuedReqs"
  | "kvBlocks"
>;

interface Waiter {
  readonly job: Job;
  readonly grant: (hold: CacheHold) => void;
}

/**
 * The thin engine: a bounded number of sequences run, the rest wait in order of arrival, the first
 * token comes after a time for the uncached prompt, and each further one after a fixed step. A job
 * whose signal aborts gives its slot and blocks back in the same turn of the event loop.
 */
export class Engine {
  readonly #timing: Timing;
  readonly #clock: Clock;
  readonly #metrics: ReplicaMetrics;
  readonly #cache: BlockCache;
  readonly #waiting: Waiter[] = [];
  #running = 0;

  constructor(timing: Timing, clock: Clock, metrics: ReplicaMetrics) {
    this.#timing = timing;
    this.#clock = clock;
    this.#metrics = metrics;
    this.#cache = new BlockCache(timing.kvBlocks);
  }

  /** Requests in flight, waiting ones included. */
  get load(): number {
    return this.#running + this.#waiting.length;
  }

  /** Current values of the gauges. */
  gauges(): { running: number; waiting: number; kvUsage: number } {
    return {
      running: this.#running,
      waiting: this.#waiting.length,
      kvUsage: this.#cache.usage,
    };
  }

  /**
   * Refuses with 503 when the sequences would not fit the queue; call once per request, before its
   * head.
   */
  checkRoom(sequenceCount: number): void {
    const room = this.#timing.maxNumSeqs + this.#timing.maxNumQueuedReqs - this.load;
    if (sequenceCount <= room) return;
    this.#metrics.onRejected();
    throw busy();
  }

  /** Waits for a slot, then yields as tokens come into being. */
  async *run(job: Job, signal: AbortSignal): AsyncGenerator<Progress> {
    const arrivedMs = this.#clock.monotonicMs();
    const hold = await this.#slot(job, signal);
    const startedMs = this.#clock.monotonicMs();
    let tokenCount = 0;
    try {
      const uncached = job.prompt.length - hold.cachedTokens;
      this.#metrics.onScheduled(job, hold.cachedTokens);
      const prefillMs =
        this.#timing.overheadMs + (uncached / 1000) * this.#timing.prefillMsPerKilotoken;
      await this.#pause(prefillMs, signal);
      const firstMs = this.#clock.monotonicMs();
      while (tokenCount < job.output.length) {
        const due = this.#dueCount(firstMs, job.output.length, tokenCount);
        this.#metrics.onTokens(due - tokenCount, tokenCount === 0 ? uncached : 0);
        tokenCount = due;
        yield { cachedTokens: hold.cachedTokens, tokenCount };
        if (tokenCount < job.output.length) {
          const nextMs = firstMs + tokenCount * this.#timing.decodeMs;
          await this.#pause(nextMs - this.#clock.monotonicMs(), signal);
        }
      }
      this.#metrics.onFinished(job, {
        arrivedMs,
        startedMs,
        firstMs,
        endedMs: this.#clock.monotonicMs(),
        uncached,
      });
    } finally {
      hold.release(job.output.slice(0, tokenCount));
      this.#running -= 1;
      this.#admit();
    }
  }

  /** Tokens that exist now; at least one more than before, since the caller waited for it. */
  #dueCount(firstMs: number, outputCount: number, before: number): number {
    const { decodeMs } = this.#timing;
    if (decodeMs === 0) return outputCount;
    const elapsed = Math.floor((this.#clock.monotonicMs() - firstMs) / decodeMs) + 1;
    return Math.min(outputCount, Math.max(before + 1, elapsed));
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (ms > 0) await this.#clock.sleep(ms, signal);
  }

  #slot(job: Job, signal: AbortSignal): Promise<CacheHold> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const leave = () => {
        const index = this.#waiting.indexOf(waiter);
        if (index === -1) return;
        this.#waiting.splice(index, 1);
        reject(signal.reason);
      };
      const grant = (hold: CacheHold) => {
        signal.removeEventListener("abort", leave);
        resolve(hold);
      };
      const waiter = { job, grant };
      signal.addEventListener("abort", leave, { once: true });
      this.#waiting.push(waiter);
      this.#admit();
    });
  }

  /**
   * Starts waiting jobs in order of arrival; a head that does not fit blocks the ones behind it.
   */
  #admit(): void {
    while (this.#running < this.#timing.maxNumSeqs) {
      const head = this.#waiting[0];
      if (head === undefined) return;
      const hold = this.#cache.acquire(head.job.prompt, head.job.output.length, head.job.salt);
      if (hold === undefined) return;
      this.#waiting.shift();
      this.#running += 1;
      head.grant(hold);
    }
  }
}
