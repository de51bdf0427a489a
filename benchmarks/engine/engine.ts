import { WarmpathError } from "@warmpath/runtime/base";
import { BlockPool } from "./block-pool.ts";
import { Jitter } from "./jitter.ts";
import { type LiveRequest, liveRequest } from "./live-request.ts";
import { RequestBlocks } from "./request-blocks.ts";
import { Scheduler } from "./scheduler.ts";
import { stepTimeUs } from "./step-time.ts";
import { StepsRecorder } from "./steps-recorder.ts";
import type {
  BlockChain,
  CacheEvent,
  Engine,
  EngineLoad,
  EngineObserver,
  EngineOptions,
  EngineRequest,
} from "./types.ts";

/**
 * Chance that a step is held up by 20 to 60 ms. Chosen so that the 99th percentiles of time to
 * first token lie on both sides of the measured ones (validate/); it adds about 1 % to a mean step.
 */
const hiccupsPerStepDefault = 0.003;

/**
 * One engine that behaves like vLLM V1, in the caller's time. Observers are called while `advance`
 * runs, and may call `add` and `abort` but not `advance`.
 *
 * Throws `rejected-invalid` for options that vLLM would refuse.
 */
export function createEngine(options: EngineOptions, observer: EngineObserver = {}): Engine {
  return new SimulatedEngine(options, observer);
}

class SimulatedEngine implements Engine {
  readonly #options: EngineOptions;
  readonly #observer: EngineObserver;
  readonly #pool: BlockPool;
  readonly #blocks: RequestBlocks;
  readonly #scheduler: Scheduler;
  readonly #jitter: Jitter;
  readonly #recorder: StepsRecorder | undefined;
  readonly #events: CacheEvent[] = [];
  readonly #apiAfterMs: number;
  readonly #onToken = (request: LiveRequest, isLast: boolean) => this.#tellToken(request, isLast);
  readonly #live = new Map<number, LiveRequest>();
  /** In the API server, by the time at which they reach the queue. */
  readonly #arriving: LiveRequest[] = [];
  #aborted: LiveRequest[] = [];
  #slowdown: number;
  #sequence = 0;
  /** When the last step was formed or ended. */
  #nowMs = 0;
  #startMs = 0;
  #endMs: number | undefined;
  #isAdvancing = false;

  constructor(options: EngineOptions, observer: EngineObserver) {
    const limits = checkedLimits(options);
    this.#options = options;
    this.#observer = observer;
    this.#slowdown = 1;
    this.setSlowdown(options.slowdown ?? 1);
    this.#apiAfterMs = options.profile.apiAfterUs / 1000;
    const events = observer.onCacheEvents === undefined ? undefined : this.#events;
    this.#pool = new BlockPool(limits.blocks, events);
    this.#blocks = new RequestBlocks({
      pool: this.#pool,
      blockTokens: limits.blockTokens,
      hasPrefixCache: options.prefixCaching ?? true,
      events,
    });
    this.#scheduler = new Scheduler(
      {
        ...limits,
        policy: options.policy ?? "fcfs",
        reservesWholePrompt: options.reservesWholePrompt ?? true,
        onAdmitted: (request, cachedTokens) =>
          observer.onAdmitted?.(request.id, this.#nowMs, cachedTokens),
        onPreempted: (request) => observer.onPreempted?.(request.id, this.#nowMs),
      },
      this.#blocks,
    );
    const sigma = options.jitterSigma ?? 0.03;
    const hiccupsPerStep = options.hiccupsPerStep ?? (sigma === 0 ? 0 : hiccupsPerStepDefault);
    checkRange("jitterSigma", sigma, 0, 10);
    checkRange("hiccupsPerStep", hiccupsPerStep, 0, 1);
    this.#jitter = new Jitter({ seed: options.seed, sigma, hiccupsPerStep });
    this.#recorder = observer.onSteps === undefined ? undefined : new StepsRecorder(observer);
  }

  get load(): EngineLoad {
    return {
      running: this.#scheduler.running.length,
      waiting: this.#scheduler.waiting.length,
      blocksUsed: this.#pool.size - this.#pool.free,
      blocks: this.#pool.size,
    };
  }

  get busyUntilMs(): number | undefined {
    return this.#endMs ?? this.#arriving[0]?.readyMs;
  }

  add(request: EngineRequest, nowMs: number): void {
    this.#check(request);
    checkRange("nowMs", nowMs, 0, Number.MAX_VALUE);
    const readyMs = nowMs + this.#options.profile.apiBeforeUs / 1000;
    const live = liveRequest(request, this.#sequence++, readyMs);
    this.#live.set(request.id, live);
    let at = this.#arriving.length;
    while (at > 0 && this.#arriving[at - 1]!.readyMs > readyMs) at -= 1;
    this.#arriving.splice(at, 0, live);
  }

  abort(requestId: number, nowMs: number): void {
    const request = this.#live.get(requestId);
    if (request === undefined || request.isAborted) return;
    request.isAborted = true;
    this.#aborted.push(request);
    // An idle engine has no next step that would wait for it.
    if (this.#endMs === undefined && !this.#isAdvancing) this.#dropAborted(nowMs);
  }

  advance(untilMs: number): void {
    this.#isAdvancing = true;
    try {
      while (this.#advanceStep(untilMs));
    } finally {
      this.#isAdvancing = false;
    }
    this.#recorder?.flush();
  }

  cachedTokens(chain: BlockChain, promptTokens: number): number {
    this.#blocks.lookUp(chain, promptTokens);
    return this.#blocks.hits.length * this.#blocks.blockTokens;
  }

  clearCache(): boolean {
    if (this.#pool.free < this.#pool.size) return false;
    this.#pool.forgetAll();
    return true;
  }

  setSlowdown(factor: number): void {
    checkRange("slowdown", factor, Number.MIN_VALUE, Number.MAX_VALUE);
    this.#slowdown = factor;
  }

  /** Goes on by one step, or by many where they are alike; false when `untilMs` is reached. */
  #advanceStep(untilMs: number): boolean {
    if (this.#endMs === undefined) {
      const readyMs = this.#arriving[0]?.readyMs;
      if (readyMs === undefined || readyMs > untilMs) return false;
      this.#nowMs = Math.max(this.#nowMs, readyMs);
    } else {
      if (this.#endMs > untilMs) return false;
      this.#nowMs = this.#endMs;
      this.#recorder?.record(this.#startMs, this.#endMs, this.#scheduler.batch);
      if (this.#canRepeat() && this.#scheduler.repeat()) {
        this.#startStep();
        return true;
      }
      this.#scheduler.finish(this.#onToken, this.#observer.onTokens !== undefined);
    }
    this.#formStep();
    return true;
  }

  /** Whether nothing came in that the next step would have to look at. */
  #canRepeat(): boolean {
    if (this.#observer.onTokens !== undefined || this.#aborted.length > 0) return false;
    const readyMs = this.#arriving[0]?.readyMs;
    return readyMs === undefined || readyMs > this.#nowMs;
  }

  #formStep(): void {
    if (this.#aborted.length > 0) this.#dropAborted(this.#nowMs);
    this.#queueArrived();
    if (!this.#scheduler.form()) {
      this.#endMs = undefined;
      return;
    }
    if (this.#events.length > 0)
      this.#observer.onCacheEvents?.(this.#events.splice(0), this.#nowMs);
    this.#startStep();
  }

  #startStep(): void {
    const workMs = stepTimeUs(this.#options.profile, this.#scheduler.batch) / 1000;
    this.#startMs = this.#nowMs;
    this.#endMs = this.#nowMs + this.#jitter.stepMs(workMs * this.#slowdown);
  }

  #queueArrived(): void {
    let arrived = 0;
    for (const request of this.#arriving) {
      if (request.readyMs > this.#nowMs) break;
      this.#scheduler.waiting.push(request);
      arrived += 1;
    }
    if (arrived > 0) this.#arriving.splice(0, arrived);
  }

  #dropAborted(nowMs: number): void {
    const aborted = this.#aborted;
    this.#aborted = [];
    for (const request of aborted) {
      if (request.place === "arriving") {
        this.#arriving.splice(this.#arriving.indexOf(request), 1);
      } else {
        this.#scheduler.remove(request);
      }
      this.#live.delete(request.id);
      this.#observer.onEnded?.(request.id, nowMs, "aborted");
    }
  }

  /** A token came out of the engine; the client sees it when the API server has passed it on. */
  #tellToken(request: LiveRequest, isLast: boolean): void {
    const atMs = this.#nowMs + this.#apiAfterMs;
    if (!request.hasFirstToken) {
      request.hasFirstToken = true;
      this.#observer.onFirstToken?.(request.id, atMs);
    }
    this.#observer.onTokens?.(request.id, atMs, 1);
    if (!isLast) return;
    this.#live.delete(request.id);
    this.#observer.onEnded?.(request.id, atMs, "finished");
  }

  #check({ id, chain, promptTokens, outputTokens }: EngineRequest): void {
    if (this.#live.has(id)) {
      throw new WarmpathError("rejected-already-exists", `request ${id} is in the engine already`);
    }
    checkPositive({ promptTokens, outputTokens });
    const { blockTokens } = this.#blocks;
    if (chain.blockTokens !== blockTokens) {
      throw new WarmpathError(
        "rejected-invalid",
        `a chain of ${chain.blockTokens}-token blocks in an engine of ${blockTokens}-token blocks`,
      );
    }
    // The last token of the answer is never computed further, so it needs no room.
    const needed = this.#blocks.blocksFor(promptTokens + outputTokens - 1);
    if (needed > this.#pool.size) {
      throw new WarmpathError(
        "rejected-too-large",
        `prompt ${promptTokens} + answer ${outputTokens} tokens need ${needed} blocks, ` +
          `the KV cache has ${this.#pool.size}`,
      );
    }
  }
}

/** Limits with vLLM's defaults; throws where vLLM would not start. */
function checkedLimits(options: EngineOptions) {
  const stepTokensMax = options.stepTokensMax ?? 8192;
  const limits = {
    blocks: options.blocks ?? options.profile.blocks,
    blockTokens: options.blockTokens ?? 16,
    stepTokensMax,
    sequencesMax: options.sequencesMax ?? Math.min(1024, stepTokensMax),
    prefillChunkTokensMax: options.prefillChunkTokensMax ?? stepTokensMax,
  };
  checkPositive(limits);
  if (limits.sequencesMax > stepTokensMax) {
    throw new WarmpathError(
      "rejected-invalid",
      `sequencesMax ${limits.sequencesMax} > stepTokensMax ${stepTokensMax}: not every running ` +
        "sequence would get a token in each step",
    );
  }
  return limits;
}

function checkPositive(numbers: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(numbers)) {
    if (Number.isSafeInteger(value) && value > 0) continue;
    throw new WarmpathError("rejected-invalid", `${name} ${value} is not a positive integer`);
  }
}

function checkRange(name: string, value: number, low: number, high: number): void {
  if (value >= low && value <= high) return;
  throw new WarmpathError("rejected-invalid", `${name} ${value} is not within ${low} to ${high}`);
}
