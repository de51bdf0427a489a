import { stepTimeUs } from "../step-time.ts";
import type { CacheEvent, EngineOptions, EngineRequest } from "../types.ts";

/**
 * The same engine told a second time, as plainly as possible: lists, linear searches, every request
 * touched in every step, no shortcuts. What it and the real one log must be equal. No jitter, no
 * API time, no observers but the log.
 */
export class NaiveEngine {
  readonly log: unknown[] = [];
  readonly #options: EngineOptions;
  readonly #blocks: NaiveBlock[];
  #free: NaiveBlock[];
  /** Blocks that hold something, oldest first. */
  #cached: NaiveBlock[] = [];
  #running: NaiveRequest[] = [];
  #waiting: NaiveRequest[] = [];
  #events: CacheEvent[] = [];
  #nowMs = 0;
  #arrivals = 0;

  constructor(options: EngineOptions) {
    this.#options = options;
    const count = options.blocks ?? 0;
    this.#blocks = Array.from({ length: count }, () => ({ references: 0, key: undefined }));
    this.#free = [...this.#blocks];
  }

  /** Runs requests that come at `arrivalsMs` to the end; returns the log. */
  run(requests: readonly EngineRequest[], arrivalsMs: readonly number[]): readonly unknown[] {
    const coming = requests.map((request, index) => ({ request, atMs: arrivalsMs[index] ?? 0 }));
    for (;;) {
      while (coming[0] !== undefined && coming[0].atMs <= this.#nowMs) {
        this.#enqueue(coming.shift()!.request);
      }
      const scheduled = this.#schedule();
      if (scheduled.length === 0) {
        if (this.#running.length > 0) continue;
        if (coming[0] === undefined) return this.log;
        this.#nowMs = coming[0].atMs;
        continue;
      }
      if (this.#events.length > 0) this.log.push({ events: this.#events, at: this.#nowMs });
      this.#events = [];
      this.#compute(scheduled);
    }
  }

  #enqueue(request: EngineRequest): void {
    this.#waiting.push({
      request,
      arrival: this.#arrivals++,
      known: request.promptTokens,
      computed: 0,
      blocks: [],
      stored: 0,
      isDecoding: false,
    });
    this.#sortWaiting();
  }

  #sortWaiting(): void {
    if (this.#options.policy === "priority") this.#waiting.sort((a, b) => urgency(a, b));
  }

  #schedule(): Scheduled[] {
    const { stepTokensMax = 0, sequencesMax = 0 } = this.#options;
    const chunkMax = this.#options.prefillChunkTokensMax ?? Number.POSITIVE_INFINITY;
    let scheduled: Scheduled[] = [];
    let budget = stepTokensMax;
    let hasPreempted = false;
    for (let index = 0; index < this.#running.length && budget > 0; index++) {
      const one = this.#running[index]!;
      const tokens = Math.min(one.known - one.computed, chunkMax, budget);
      const victims: NaiveRequest[] = [];
      while (!this.#fits(one, one.computed + tokens) && !victims.includes(one)) {
        victims.push(this.#preempt());
      }
      hasPreempted ||= victims.length > 0;
      for (const { one: gone, tokens: back } of scheduled) {
        if (!victims.includes(gone)) continue;
        budget += back;
        index -= 1;
      }
      scheduled = scheduled.filter((entry) => !victims.includes(entry.one));
      if (victims.includes(one)) break;
      this.#fill(one, one.computed + tokens);
      scheduled.push({ one, tokens });
      budget -= tokens;
    }
    while (!hasPreempted && budget > 0 && this.#running.length < sequencesMax) {
      const one = this.#waiting[0];
      if (one === undefined) break;
      const hits = this.#hits(one);
      const cached = hits.length * this.#blockTokens;
      const tokens = Math.min(one.known - cached, chunkMax, budget);
      const wanted = (this.#options.reservesWholePrompt ?? true) ? one.known : cached + tokens;
      const held = hits.filter((block) => block.references > 0).length;
      if (Math.ceil(wanted / this.#blockTokens) - held > this.#free.length) break;
      this.#waiting.shift();
      for (const block of hits) this.#hold(block);
      one.blocks = [...hits];
      one.stored = hits.length;
      one.computed = cached;
      this.#running.push(one);
      this.log.push({ admitted: one.request.id, at: this.#nowMs, cached });
      this.#fill(one, cached + tokens);
      scheduled.push({ one, tokens });
      budget -= tokens;
    }
    return scheduled;
  }

  #compute(scheduled: readonly Scheduled[]): void {
    let contextTokens = 0;
    let attention = 0;
    let all = 0;
    for (const { one, tokens } of scheduled) {
      all += tokens;
      if (one.isDecoding) {
        contextTokens += one.known;
      } else {
        contextTokens += one.computed;
        attention += tokens * (one.computed + tokens / 2);
      }
    }
    const batch = { tokens: all, contextTokens, attention, sequences: scheduled.length };
    this.#nowMs += stepTimeUs(this.#options.profile, batch) / 1000;
    for (const { one, tokens } of scheduled) {
      one.computed += tokens;
      if (one.computed < one.known) continue;
      one.isDecoding = true;
      one.known += 1;
      this.log.push({ token: one.request.id, at: this.#nowMs });
      if (one.known < one.request.promptTokens + one.request.outputTokens) continue;
      this.#running = this.#running.filter((other) => other !== one);
      this.#release(one);
      this.log.push({ ended: one.request.id, at: this.#nowMs });
    }
  }

  #preempt(): NaiveRequest {
    let victim = this.#running.at(-1)!;
    if (this.#options.policy === "priority") victim = this.#running.toSorted(urgency).at(-1)!;
    this.#running = this.#running.filter((one) => one !== victim);
    this.#release(victim);
    victim.computed = 0;
    victim.isDecoding = false;
    this.#waiting.unshift(victim);
    this.#sortWaiting();
    this.log.push({ preempted: victim.request.id, at: this.#nowMs });
    return victim;
  }

  get #blockTokens(): number {
    return this.#options.blockTokens ?? 16;
  }

  #fits(one: NaiveRequest, tokens: number): boolean {
    return Math.ceil(tokens / this.#blockTokens) - one.blocks.length <= this.#free.length;
  }

  #hits(one: NaiveRequest): NaiveBlock[] {
    const hits: NaiveBlock[] = [];
    if (this.#options.prefixCaching === false) return hits;
    while ((hits.length + 1) * this.#blockTokens < one.known) {
      const key = one.request.chain.key(hits.length);
      const block = this.#cached.find((other) => other.key === key);
      if (block === undefined) break;
      hits.push(block);
    }
    return hits;
  }

  #hold(block: NaiveBlock): void {
    block.references += 1;
    this.#free = this.#free.filter((other) => other !== block);
  }

  #fill(one: NaiveRequest, tokens: number): void {
    while (one.blocks.length < Math.ceil(tokens / this.#blockTokens)) {
      const block = this.#free[0]!;
      this.#hold(block);
      if (block.key !== undefined) this.#events.push({ type: "removed", key: block.key });
      this.#cached = this.#cached.filter((other) => other !== block);
      block.key = undefined;
      one.blocks.push(block);
    }
    if (this.#options.prefixCaching === false) return;
    const { chain, id } = one.request;
    const firstBlock = one.stored;
    const keys: number[] = [];
    while ((one.stored + 1) * this.#blockTokens <= tokens) {
      const block = one.blocks[one.stored]!;
      block.key = chain.key(one.stored);
      this.#cached.push(block);
      keys.push(block.key);
      one.stored += 1;
    }
    if (keys.length === 0) return;
    const parentKey = firstBlock === 0 ? undefined : chain.key(firstBlock - 1);
    this.#events.push({ type: "stored", requestId: id, firstBlock, keys, parentKey });
  }

  #release(one: NaiveRequest): void {
    for (const block of one.blocks.toReversed()) {
      block.references -= 1;
      if (block.references > 0) continue;
      if (block.key === undefined) this.#free.unshift(block);
      else this.#free.push(block);
    }
    one.blocks = [];
    one.stored = 0;
  }
}

interface NaiveBlock {
  references: number;
  key: number | undefined;
}

interface NaiveRequest {
  readonly request: EngineRequest;
  readonly arrival: number;
  known: number;
  computed: number;
  blocks: NaiveBlock[];
  stored: number;
  isDecoding: boolean;
}

interface Scheduled {
  readonly one: NaiveRequest;
  readonly tokens: number;
}

function urgency(left: NaiveRequest, right: NaiveRequest): number {
  const byPriority = (left.request.priority ?? 0) - (right.request.priority ?? 0);
  return byPriority === 0 ? left.arrival - right.arrival : byPriority;
}
