import type { Clock } from "@warmpath/runtime/base";
import {
  type CacheEvent,
  createEngine,
  createTokenChainSpace,
  type Engine,
  type EngineObserver,
  type EngineProfile,
  type FinishReason,
  type SchedulingPolicy,
} from "../../engine/index.ts";
import type { ReplicaMetrics } from "../metrics/replica-metrics.ts";
import type { Sequence, SequenceListener } from "./sequence.ts";

/** How an engine is driven. */
export interface DriverOptions {
  readonly profile: EngineProfile;
  readonly blocks: number;
  readonly blockTokens: number;
  readonly stepTokensMax: number;
  readonly sequencesMax: number;
  readonly policy: SchedulingPolicy;
  readonly slowdown: number;
  readonly seed: number;
  /** Engine milliseconds in one of the clock; 0: nobody waits for the engine's time to pass. */
  readonly speed: number;
  readonly clock: Clock;
  readonly metrics: ReplicaMetrics;
  /** Takes the changes of the prefix cache; left out, nobody is told. */
  readonly onCacheEvents?: (events: readonly CacheEvent[]) => void;
}

/** A sequence in the engine. */
interface Live {
  readonly id: number;
  readonly sequence: Sequence;
  /** Prompt and answer. */
  readonly tokens: readonly number[];
  listener: SequenceListener | undefined;
  arrivedMs: number;
  queuedMs: number;
  admittedMs: number | undefined;
  firstMs: number;
  lastMs: number;
  cachedTokens: number;
  tokenCount: number;
  preemptions: number;
  /** Preemptions that the counter does not show yet: vLLM counts them when it resumes. */
  unresumed: number;
  isTouched: boolean;
  isEnded: boolean;
}

/** Steps that are run before others get their turn, when nobody waits for time to pass. */
const instantSteps = 32;

/**
 * Runs the engine model in wall time: one timer, set for the end of the step under way. The
 * engine's time is read off the clock, so a late timer runs the steps that are due and nothing
 * adds up. What the API server takes after a token is a constant; the engine is kept that much
 * behind the clock, so that no token needs a timer of its own.
 */
export class EngineDriver {
  readonly #options: DriverOptions;
  readonly #engine: Engine;
  readonly #chains;
  readonly #live = new Map<number, Live>();
  readonly #stopped = new AbortController();
  readonly #startMs: number;
  readonly #lagMs: number;
  #touched: Live[] = [];
  /** Sequences that came while the engine was paused. */
  #held: Live[] = [];
  #isPaused = false;
  #nextId = 1;
  #isTimerSet = false;
  /** The engine's time where nobody waits. */
  #instantMs = 0;

  constructor(options: DriverOptions) {
    this.#options = options;
    this.#startMs = options.clock.monotonicMs();
    this.#lagMs = options.profile.apiAfterUs / 1000;
    this.#chains = createTokenChainSpace({
      blockTokens: options.blockTokens,
      blocksMax: Math.max(131_072, 4 * options.blocks),
    });
    this.#engine = createEngine(options, this.#observer());
  }

  /** Sequences in flight, waiting and held ones included. */
  get load(): number {
    return this.#live.size;
  }

  /** Current values of the gauges; what is held counts nowhere, as in a paused vLLM. */
  gauges(): { running: number; waiting: number; kvUsage: number } {
    const { running, waiting, blocksUsed, blocks } = this.#engine.load;
    return { running, waiting, kvUsage: blocksUsed / blocks };
  }

  /** The prefill backlog: prompt tokens of the sequences without a token yet, cached or not. */
  backlogTokens(): number {
    let tokens = 0;
    for (const { sequence, tokenCount } of this.#live.values()) {
      if (tokenCount === 0) tokens += sequence.prompt.length;
    }
    return tokens;
  }

  /** Sequences that have been in flight for longer than the API server needs before the queue. */
  get arrived(): number {
    const beforeMs = this.#nowMs() - this.#options.profile.apiBeforeUs / 1000;
    let count = 0;
    for (const { arrivedMs } of this.#live.values()) if (arrivedMs <= beforeMs) count += 1;
    return count;
  }

  /** Queues a sequence; the listener is told from a later turn of the event loop on. */
  start(sequence: Sequence, listener: SequenceListener): number {
    const live: Live = {
      id: this.#nextId++,
      sequence,
      tokens: [...sequence.prompt, ...sequence.output],
      listener,
      arrivedMs: this.#nowMs(),
      queuedMs: 0,
      admittedMs: undefined,
      firstMs: 0,
      lastMs: 0,
      cachedTokens: 0,
      tokenCount: 0,
      preemptions: 0,
      unresumed: 0,
      isTouched: false,
      isEnded: false,
    };
    this.#live.set(live.id, live);
    if (this.#isPaused) this.#held.push(live);
    else this.#add(live);
    this.#schedule();
    return live.id;
  }

  /** The client is gone: the listener hears no more, the blocks are free at the next step. */
  abort(id: number): void {
    const live = this.#live.get(id);
    if (live === undefined) return;
    live.listener = undefined;
    const heldAt = this.#held.indexOf(live);
    if (heldAt === -1) this.#engine.abort(id, this.#nowMs());
    else {
      this.#held.splice(heldAt, 1);
      this.#live.delete(id);
    }
    this.#forgetEnded();
  }

  /** While paused, what comes is held without a sign; what runs goes on. */
  setPaused(isPaused: boolean): void {
    this.#isPaused = isPaused;
    if (isPaused) return;
    for (const live of this.#held.splice(0)) this.#add(live);
    this.#schedule();
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** All step times are multiplied by this from the next step on. */
  setSlowdown(factor: number): void {
    this.#engine.setSlowdown(factor);
  }

  /** Empties the prefix cache; false while blocks are in use. */
  clearCache(): boolean {
    return this.#engine.clearCache();
  }

  /** Stops for good. With `tells`, everybody in flight hears that the engine died. */
  close({ tells = false } = {}): void {
    this.#stopped.abort();
    const listeners = [...this.#live.values()].map(({ listener }) => listener);
    this.#live.clear();
    if (tells) for (const listener of listeners) listener?.onFailed();
  }

  /** Token ids of some full blocks of a sequence; empty for one that is not known any more. */
  tokensOf(requestId: number, firstBlock: number, blockCount: number): readonly number[] {
    const { blockTokens } = this.#options;
    const tokens = this.#live.get(requestId)?.tokens ?? [];
    return tokens.slice(firstBlock * blockTokens, (firstBlock + blockCount) * blockTokens);
  }

  /** The salt of a sequence's blocks. */
  saltOf(requestId: number): string | undefined {
    return this.#live.get(requestId)?.sequence.salt;
  }

  /** The session that a sequence belongs to. */
  sessionOf(requestId: number): string | undefined {
    return this.#live.get(requestId)?.sequence.session;
  }

  #add(live: Live): void {
    const { sequence, tokens } = live;
    const nowMs = this.#nowMs();
    live.queuedMs = nowMs + this.#options.profile.apiBeforeUs / 1000;
    this.#engine.add(
      {
        id: live.id,
        chain: this.#chains.chainOf(tokens, sequence.salt),
        promptTokens: sequence.prompt.length,
        outputTokens: sequence.output.length,
        priority: sequence.priority,
      },
      nowMs,
    );
  }

  #nowMs(): number {
    const { speed, clock } = this.#options;
    if (speed === 0) return this.#instantMs;
    return (clock.monotonicMs() - this.#startMs) * speed;
  }

  /** Sets the timer for what the engine does next, unless it is set. */
  #schedule(): void {
    const untilMs = this.#engine.busyUntilMs;
    if (untilMs === undefined || this.#isTimerSet || this.#stopped.signal.aborted) return;
    this.#isTimerSet = true;
    const { speed, clock } = this.#options;
    if (speed === 0) {
      // A turn of the event loop, so that requests and disconnects get theirs.
      setImmediate(() => this.#wake(() => this.#runInstantly()));
      return;
    }
    const waitMs = Math.ceil(Math.max(0, untilMs + this.#lagMs - this.#nowMs()) / speed);
    clock.sleep(waitMs, this.#stopped.signal).then(
      () => this.#wake(() => this.#engine.advance(this.#nowMs() - this.#lagMs)),
      // Stopped: nobody waits any more.
      () => undefined,
    );
  }

  #wake(run: () => void): void {
    this.#isTimerSet = false;
    if (this.#stopped.signal.aborted) return;
    run();
    this.#flush();
    this.#schedule();
  }

  #runInstantly(): void {
    for (let step = 0; step < instantSteps; step++) {
      const untilMs = this.#engine.busyUntilMs;
      if (untilMs === undefined) return;
      this.#instantMs = untilMs;
      this.#engine.advance(untilMs);
    }
  }

  /** Tells the listeners, each once for all that the steps just run brought. */
  #flush(): void {
    const touched = this.#touched;
    this.#touched = [];
    for (const live of touched) {
      live.isTouched = false;
      if (live.isEnded) this.#live.delete(live.id);
      live.listener?.onTokens(live.tokenCount, live.cachedTokens);
      if (live.isEnded) live.listener?.onFinished();
    }
  }

  /** After an abort outside of a step there is no flush that would forget the sequence. */
  #forgetEnded(): void {
    for (const live of this.#touched) if (live.isEnded) this.#live.delete(live.id);
  }

  #touch(live: Live): void {
    if (live.isTouched) return;
    live.isTouched = true;
    this.#touched.push(live);
  }

  #observer(): EngineObserver {
    const { metrics, onCacheEvents } = this.#options;
    return {
      onAdmitted: (id, nowMs, cachedTokens) => {
        const live = this.#live.get(id);
        if (live === undefined) return;
        metrics.onResumed(live.unresumed);
        live.unresumed = 0;
        if (live.admittedMs !== undefined) return;
        live.admittedMs = nowMs;
        live.cachedTokens = cachedTokens;
        metrics.onScheduled(live.sequence, cachedTokens);
      },
      onTokens: (id, atMs, tokens) => {
        const live = this.#live.get(id);
        if (live === undefined) return;
        if (live.tokenCount === 0) live.firstMs = atMs;
        else metrics.onGap((atMs - live.lastMs) / tokens, tokens);
        live.tokenCount += tokens;
        live.lastMs = atMs;
        metrics.onTokens(tokens);
        this.#touch(live);
      },
      onPreempted: (id) => {
        const live = this.#live.get(id);
        if (live === undefined) return;
        live.preemptions += 1;
        live.unresumed += 1;
      },
      onEnded: (id, atMs, reason) => this.#onEnded(id, atMs, reason),
      onSteps: ({ steps, decodeSequences, prefillTokens }) =>
        metrics.onSteps(steps, decodeSequences + prefillTokens),
      ...(onCacheEvents === undefined ? {} : { onCacheEvents }),
    };
  }

  #onEnded(id: number, atMs: number, reason: FinishReason): void {
    const live = this.#live.get(id);
    if (live === undefined) return;
    live.isEnded = true;
    this.#touch(live);
    if (reason === "aborted") return;
    // The engine tells when the client has a token; its own intervals end before that.
    const lastMs = atMs - this.#lagMs;
    this.#options.metrics.onFinished(live.sequence, {
      arrivedMs: live.arrivedMs,
      queuedMs: live.queuedMs,
      admittedMs: live.admittedMs ?? lastMs,
      firstMs: live.firstMs - this.#lagMs,
      lastMs,
      apiAfterMs: this.#lagMs,
      cachedTokens: live.cachedTokens,
      preemptions: live.preemptions,
    });
  }
}
