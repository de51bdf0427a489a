import { createEngine } from "../../engine/index.ts";
import type {
  BlockChain,
  CacheEvent,
  Engine,
  EngineLoad,
  EngineObserver,
  EngineProfile,
  StepsRecord,
} from "../../engine/types.ts";
import type { ReplicaTruth } from "../types.ts";
import type { Attempt } from "./attempt.ts";
import { createNominal, type Nominal } from "./nominal.ts";

/** What a replica tells the fleet, always at or after the time of its last advance. */
export interface ReplicaObserver {
  onAdmitted(attempt: Attempt, nowMs: number, cachedTokens: number): void;
  onFirstToken(attempt: Attempt, atMs: number): void;
  onFinished(attempt: Attempt, atMs: number): void;
  onPreempted(replica: number, nowMs: number): void;
  onSteps(replica: number, steps: StepsRecord): void;
  /** Absent: nobody listens, and the engine need not tell. */
  readonly onCacheEvents?: (replica: number, events: readonly CacheEvent[], nowMs: number) => void;
}

export interface ReplicaOptions {
  readonly index: number;
  readonly profile: EngineProfile;
  readonly blocks: number;
  readonly seed: number;
  readonly slowdown: number;
}

/** vLLM's default on GPUs; chains and engines of the lab are cut alike. */
export const blockTokens = 16;

const idle: EngineLoad = { running: 0, waiting: 0, blocksUsed: 0, blocks: 0 };

/**
 * One engine, advanced lazily: only to the times at which something may happen in it, or at which
 * somebody looks at it or adds to it.
 */
export class Replica {
  readonly index: number;
  readonly profile: EngineProfile;
  readonly blocks: number;
  readonly inFlight = new Map<number, Attempt>();
  readonly truth: ReplicaTruth;
  /** Nothing can happen before; `Infinity` while idle or dead. */
  wakeMs = Number.POSITIVE_INFINITY;
  #engine: Engine | undefined;
  #incarnation = 0;
  /** Engine time of attempts without a first token. */
  #prefillMs = 0;
  /** Answer tokens still to come. */
  #decodeTokens = 0;
  readonly #options: ReplicaOptions;
  readonly #observer: ReplicaObserver;
  readonly #nominal: Nominal;

  constructor(options: ReplicaOptions, observer: ReplicaObserver) {
    this.index = options.index;
    this.profile = options.profile;
    this.blocks = options.blocks;
    this.#options = options;
    this.#observer = observer;
    this.#nominal = createNominal(options.profile);
    this.#engine = this.#createEngine();
    this.truth = {
      cachedTokens: (chain, promptTokens) => this.cachedTokens(chain, promptTokens),
      outstandingSeconds: () => this.#outstandingSeconds(),
      requests: () => this.inFlight.size,
      prefillSeconds: (uncachedTokens, promptTokens) =>
        (this.prefillMs(uncachedTokens, promptTokens) * options.slowdown) / 1000,
    };
  }

  get isAlive(): boolean {
    return this.#engine !== undefined;
  }

  /** Gauges as of the last advance. */
  get load(): EngineLoad {
    return this.#engine?.load ?? idle;
  }

  advance(untilMs: number): void {
    if (this.#engine === undefined) return;
    this.#engine.advance(untilMs);
    this.#setWake();
  }

  /** Takes a request; throws `rejected-too-large` when it can never fit. */
  add(attempt: Attempt, nowMs: number): void {
    this.advance(nowMs);
    const { turn, request } = attempt;
    this.#engine?.add(
      {
        id: request.id,
        chain: request.chain,
        promptTokens: request.promptTokens,
        outputTokens: turn.outputTokens,
      },
      nowMs,
    );
    this.inFlight.set(request.id, attempt);
    this.#prefillMs += attempt.prefillMs;
    this.#decodeTokens += turn.outputTokens;
    this.#setWake();
  }

  cachedTokens(chain: BlockChain, promptTokens: number): number {
    return this.#engine?.cachedTokens(chain, promptTokens) ?? 0;
  }

  /** Engine time for the last `uncachedTokens` of a prompt, on this replica's profile. */
  prefillMs(uncachedTokens: number, promptTokens: number): number {
    return this.#nominal.prefillMs(uncachedTokens, promptTokens);
  }

  /** Takes the engine away with all it held; returns the attempts that were in flight. */
  die(): readonly Attempt[] {
    const lost = [...this.inFlight.values()];
    for (const attempt of lost) attempt.isLost = true;
    this.inFlight.clear();
    this.#engine = undefined;
    this.#prefillMs = 0;
    this.#decodeTokens = 0;
    this.wakeMs = Number.POSITIVE_INFINITY;
    return lost;
  }

  /** A new engine with an empty cache. */
  revive(nowMs: number): void {
    this.#incarnation += 1;
    this.#engine = this.#createEngine();
    this.advance(nowMs);
  }

  #setWake(): void {
    this.wakeMs = this.#engine?.busyUntilMs ?? Number.POSITIVE_INFINITY;
  }

  /**
   * Engine time that is bound to be spent: prefills one after another, and what each answer token
   * to come adds to a step. What a step costs whoever is in it is nobody's work.
   */
  #outstandingSeconds(): number {
    const sequences = this.inFlight.size;
    if (sequences === 0) return 0;
    const contextTokens = this.load.blocksUsed * blockTokens;
    const addedMs = this.#nominal.stepMs(sequences, contextTokens) - this.#nominal.stepMs(0, 0);
    const decodeMs = (this.#decodeTokens / sequences) * addedMs;
    return ((this.#prefillMs + decodeMs) * this.#options.slowdown) / 1000;
  }

  #createEngine(): Engine {
    const { profile, blocks, seed, slowdown } = this.#options;
    return createEngine(
      { profile, blocks, slowdown, seed: seed + this.#incarnation * 7919 },
      this.#engineObserver(),
    );
  }

  #engineObserver(): EngineObserver {
    const { inFlight } = this;
    const observer = this.#observer;
    const { onCacheEvents } = observer;
    return {
      onAdmitted: (requestId, nowMs, cachedTokens) => {
        const attempt = inFlight.get(requestId);
        // After a preemption it is admitted again, and finds its own blocks.
        if (attempt === undefined || attempt.cachedTokens !== undefined) return;
        attempt.cachedTokens = cachedTokens;
        observer.onAdmitted(attempt, nowMs, cachedTokens);
      },
      onFirstToken: (requestId, atMs) => {
        const attempt = inFlight.get(requestId);
        if (attempt === undefined) return;
        this.#prefillMs -= attempt.prefillMs;
        this.#decodeTokens -= 1;
        observer.onFirstToken(attempt, atMs);
      },
      onEnded: (requestId, atMs, reason) => {
        const attempt = inFlight.get(requestId);
        if (attempt === undefined || reason === "aborted") return;
        inFlight.delete(requestId);
        observer.onFinished(attempt, atMs);
      },
      onPreempted: (_requestId, nowMs) => observer.onPreempted(this.index, nowMs),
      onSteps: (steps) => {
        this.#decodeTokens -= steps.steps * steps.decodeSequences;
        observer.onSteps(this.index, steps);
      },
      ...(onCacheEvents === undefined
        ? {}
        : {
            onCacheEvents: (events: readonly CacheEvent[], nowMs: number) =>
              onCacheEvents(this.index, events, nowMs),
          }),
    };
  }
}
