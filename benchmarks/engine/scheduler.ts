import { Admission } from "./admission.ts";
import { knownTokensAt, type LiveRequest, never } from "./live-request.ts";
import type { RequestBlocks } from "./request-blocks.ts";
import type { SchedulingPolicy } from "./types.ts";
import { isBefore, WaitingQueue } from "./waiting-queue.ts";

/** Limits and order of a scheduler; see `EngineOptions`. */
export interface SchedulerOptions {
  readonly stepTokensMax: number;
  readonly sequencesMax: number;
  readonly prefillChunkTokensMax: number;
  readonly policy: SchedulingPolicy;
  readonly reservesWholePrompt: boolean;
  readonly onAdmitted: ((request: LiveRequest, cachedTokens: number) => void) | undefined;
  readonly onPreempted: ((request: LiveRequest) => void) | undefined;
}

/** What the step under way computes; `attention` as in `StepBatch`. */
export interface FormedBatch {
  tokens: number;
  contextTokens: number;
  attention: number;
  sequences: number;
  decodeSequences: number;
  prefillTokens: number;
}

/** Decides what each step computes, as vLLM V1 does: running requests first, then waiting ones. */
export class Scheduler {
  readonly waiting: WaitingQueue;
  /** In the order of admission. */
  readonly running: LiveRequest[] = [];
  readonly batch: FormedBatch = {
    tokens: 0,
    contextTokens: 0,
    attention: 0,
    sequences: 0,
    decodeSequences: 0,
    prefillTokens: 0,
  };
  readonly #options: SchedulerOptions;
  readonly #blocks: RequestBlocks;
  readonly #admission: Admission;
  /** Number of the step that is formed or under way. */
  #step = 0;
  #budget = 0;
  /** Next step at which a decoding request needs a block, fills one, or computes its last token. */
  #nextEventStep = never;
  #nextFinishStep = never;
  /** Nobody waits who could be admitted before something else happens. */
  #isQueueStuck = true;

  constructor(options: SchedulerOptions, blocks: RequestBlocks) {
    this.#options = options;
    this.#blocks = blocks;
    this.#admission = new Admission(blocks, options.reservesWholePrompt);
    this.waiting = new WaitingQueue(options.policy);
  }

  /** Forms the next step; false when there is nothing to compute. */
  form(): boolean {
    this.#begin();
    this.#isQueueStuck = this.#scheduleRunning() && this.#admit();
    // Who is preempted by its own need ends the round for all behind it. Where nobody was before
    // it, the step is empty, takes no time, and the next one follows.
    while (this.batch.sequences === 0 && this.running.length > 0) {
      this.#step += 1;
      this.#begin();
      this.#isQueueStuck = this.#scheduleRunning() && this.#admit();
    }
    return this.batch.sequences > 0;
  }

  /**
   * Ends the step under way and forms the next one where that is the same batch with one token more
   * for each; false when the next step must be formed by `form` after `finish`.
   */
  repeat(): boolean {
    const { batch } = this;
    if (!this.#isQueueStuck || batch.prefillTokens > 0) return false;
    if (batch.decodeSequences < this.running.length || batch.sequences === 0) return false;
    if (this.#step >= this.#nextFinishStep || this.#step + 1 >= this.#nextEventStep) return false;
    this.#step += 1;
    batch.contextTokens += batch.decodeSequences;
    return true;
  }

  /**
   * Ends the step under way. Requests with their last token are removed and their blocks freed.
   * `onToken` hears in order of every request that got a token, with whether it was the last;
   * unless it `wantsEvery` token, steps without a first or last one are left out.
   */
  finish(onToken: (request: LiveRequest, isLast: boolean) => void, wantsEvery: boolean): void {
    const step = this.#step;
    this.#step += 1;
    if (!wantsEvery && this.batch.prefillTokens === 0 && step < this.#nextFinishStep) return;
    const { running } = this;
    let kept = 0;
    for (const request of running) {
      const gotToken = this.#advance(request, step);
      const isLast = gotToken && request.finishStep === step && !request.isAborted;
      if (isLast) {
        request.place = "ended";
        this.#blocks.release(request);
      } else {
        running[kept] = request;
        kept += 1;
      }
      if (gotToken && !request.isAborted) onToken(request, isLast);
    }
    running.length = kept;
  }

  /** Takes a request out, wherever it is, and frees its blocks. */
  remove(request: LiveRequest): void {
    if (request.place === "running") this.running.splice(this.running.indexOf(request), 1);
    else this.waiting.remove(request);
    this.#blocks.release(request);
    request.place = "ended";
  }

  #begin(): void {
    const { batch } = this;
    batch.tokens = 0;
    batch.contextTokens = 0;
    batch.attention = 0;
    batch.sequences = 0;
    batch.decodeSequences = 0;
    batch.prefillTokens = 0;
    this.#budget = this.#options.stepTokensMax;
    this.#nextEventStep = never;
    this.#nextFinishStep = never;
  }

  /** One request at the end of a step; true when a token came out. */
  #advance(request: LiveRequest, step: number): boolean {
    if (!request.isPrefilling) return request.chunkTokens > 0;
    request.computedTokens += request.chunkTokens;
    if (request.computedTokens < request.knownTokens) return false;
    request.isPrefilling = false;
    request.chunkTokens = 1;
    request.origin = step - request.knownTokens;
    request.finishStep = request.origin + request.promptTokens + request.outputTokens - 1;
    request.eventStep = this.#blocks.nextEventStep(request);
    return true;
  }

  /** False when somebody was preempted: then nobody is admitted in this step. */
  #scheduleRunning(): boolean {
    const { running } = this;
    let hadRoom = true;
    let index = 0;
    while (index < running.length && this.#budget > 0) {
      const request = running[index]!;
      const tokens = this.#tokensAfter(request);
      const lacking = this.#needsBlocks(request) ? this.#blocks.lacking(request, tokens) : 0;
      if (lacking > this.#blocks.pool.free) {
        hadRoom = false;
        index = this.#makeRoom(index, lacking);
        if (running[index] !== request) break;
      }
      this.#schedule(request, tokens);
      index += 1;
    }
    for (; index < running.length; index++) skipStep(running[index]!);
    return hadRoom;
  }

  /**
   * Preempts until so many blocks are free or the one at `index`, whose need it is, is preempted
   * itself. Returns where that one is, or was.
   */
  #makeRoom(index: number, blocks: number): number {
    let at = index;
    while (blocks > this.#blocks.pool.free) {
      const victim = this.#preempt(at);
      if (victim === at) break;
      // Everybody behind one that was scheduled already has moved up.
      if (victim < at) at -= 1;
    }
    return at;
  }

  /** Tokens that a running request has KV for after this step. */
  #tokensAfter(request: LiveRequest): number {
    if (!request.isPrefilling) return this.#step - request.origin;
    return request.computedTokens + this.#chunkOf(request.knownTokens - request.computedTokens);
  }

  #chunkOf(tokens: number): number {
    return Math.min(tokens, this.#options.prefillChunkTokensMax, this.#budget);
  }

  #needsBlocks(request: LiveRequest): boolean {
    return request.isPrefilling || request.eventStep === this.#step;
  }

  #schedule(request: LiveRequest, tokens: number): void {
    if (request.isPrefilling) {
      request.chunkTokens = tokens - request.computedTokens;
      this.#blocks.grow(request, tokens);
    } else {
      request.chunkTokens = 1;
      if (request.eventStep === this.#step) {
        this.#blocks.grow(request, tokens);
        request.eventStep = this.#blocks.nextEventStep(request);
      }
      if (request.eventStep < this.#nextEventStep) this.#nextEventStep = request.eventStep;
      if (request.finishStep < this.#nextFinishStep) this.#nextFinishStep = request.finishStep;
    }
    this.#count(request, 1);
  }

  /** Adds a scheduled request to the batch, or takes it out again. */
  #count(request: LiveRequest, sign: 1 | -1): void {
    const { batch } = this;
    const { chunkTokens } = request;
    this.#budget -= sign * chunkTokens;
    batch.tokens += sign * chunkTokens;
    batch.sequences += sign;
    if (request.isPrefilling) {
      batch.prefillTokens += sign * chunkTokens;
      batch.contextTokens += sign * request.computedTokens;
      batch.attention += sign * chunkTokens * (request.computedTokens + chunkTokens / 2);
    } else {
      batch.decodeSequences += sign;
      batch.contextTokens += sign * (this.#step - request.origin);
    }
  }
  /** True when nobody could be admitted before something else happens. */
  #admit(): boolean {
    const { waiting, running } = this;
    const { sequencesMax, prefillChunkTokensMax } = this.#options;
    while (waiting.head !== undefined && running.length < sequencesMax) {
      if (this.#budget === 0) return false;
      const request = waiting.head;
      const chunkMax = Math.min(prefillChunkTokensMax, this.#budget);
      const chunkTokens = this.#admission.chunkOf(request, chunkMax);
      // Nobody overtakes a head that does not fit.
      if (chunkTokens === 0) return true;
      waiting.shift();
      request.place = "running";
      this.#blocks.holdHits(request);
      request.computedTokens = request.blocks.length * this.#blocks.blockTokens;
      running.push(request);
      const cachedTokens = Math.min(request.computedTokens, request.promptTokens - 1);
      this.#options.onAdmitted?.(request, cachedTokens);
      this.#schedule(request, request.computedTokens + chunkTokens);
    }
    return true;
  }

  /**
   * Sends a running request back to the queue, to be computed again: the last one admitted, or the
   * least urgent one. Returns where it was; those before `scheduled` are in the batch already.
   */
  #preempt(scheduled: number): number {
    const { running } = this;
    let at = running.length - 1;
    if (this.#options.policy === "priority") {
      for (let index = at - 1; index >= 0; index--) {
        if (isBefore(running[at]!, running[index]!)) at = index;
      }
    }
    const victim = running[at]!;
    running.splice(at, 1);
    if (at < scheduled) this.#count(victim, -1);
    victim.knownTokens = knownTokensAt(victim, this.#step);
    victim.isPrefilling = true;
    victim.computedTokens = 0;
    victim.chunkTokens = 0;
    this.#blocks.release(victim);
    this.waiting.pushPreempted(victim);
    this.#options.onPreempted?.(victim);
    return at;
  }
}

/** Leaves a request out of this step: all that follows from the number of the step moves by one. */
function skipStep(request: LiveRequest): void {
  request.chunkTokens = 0;
  if (request.isPrefilling) return;
  request.origin += 1;
  request.eventStep += 1;
  request.finishStep += 1;
}
