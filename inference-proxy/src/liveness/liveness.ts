import type { Clock } from "@warmpath/runtime/base";
import { createReplicaPulse, type Overtaken, type ReplicaPulse } from "./replica-pulse.ts";
import type { Liveness, ReplicaSight, SilenceLimits, Vigil, VigilRequest } from "./types.ts";

/** What watching needs. */
interface LivenessOptions {
  readonly limits: SilenceLimits;
  readonly clock: Clock;
  readonly sightOf: (replica: string) => ReplicaSight;
  /** A replica was silent for so long on every request there that nothing explains it. */
  readonly onSilent: (replica: string, silentMs: number) => void;
}

/** Longest time between two looks at a silent request: what is seen of its replica changes. */
const checkEveryMs = 1000;

/**
 * Later ones served first, so many that the queue no longer explains the wait: the engine has
 * forgotten this one.
 */
const overtakenMax = 16;

/** Silence allowed on a replica that is ill by other signs, as a share of the grace. */
const graceShareOfIll = 0.25;

/** Replicas come from configuration, so what is kept of each is bounded there. */
export function createLiveness(options: LivenessOptions): Liveness {
  const pulses = new Map<string, ReplicaPulse>();
  const pulseOf = (replica: string): ReplicaPulse => {
    const pulse = pulses.get(replica) ?? createReplicaPulse();
    pulses.set(replica, pulse);
    return pulse;
  };
  return {
    begin: (request) => new WatchedRequest(options, request, pulseOf(request.replica)),
    pardon: (replica) => {
      const pulse = pulseOf(replica);
      pulse.isSilent = false;
      pulse.illSinceMs = undefined;
    },
  };
}

class WatchedRequest implements Vigil, Overtaken {
  overtakenBy = 0;
  readonly #options: LivenessOptions;
  readonly #request: VigilRequest;
  readonly #pulse: ReplicaPulse;
  readonly #sentAtMs: number;
  #tokensAhead = 0;
  #phase: "new" | "waiting" | "open" | "over" = "new";
  /** Its own last sign of life; infinite while the client is the one who is waited for. */
  #lastMs: number;
  #longestGapMs = 0;
  #isGivenUp = false;

  constructor(options: LivenessOptions, request: VigilRequest, pulse: ReplicaPulse) {
    this.#options = options;
    this.#request = request;
    this.#pulse = pulse;
    this.#sentAtMs = options.clock.monotonicMs();
    this.#lastMs = this.#sentAtMs;
  }

  get silentMs(): number {
    return Math.max(0, Math.round(this.#options.clock.monotonicMs() - this.#lastMs));
  }

  check(): number {
    if (this.#phase === "over") {
      return checkEveryMs;
    }
    if (this.#phase === "new") {
      this.#startWaiting();
    }
    const nowMs = this.#options.clock.monotonicMs();
    const explainedMs = this.#explainedUntilMs(nowMs) - nowMs;
    const leftMs = Math.min(this.#boundMs() - nowMs, explainedMs);
    if (leftMs > 0) {
      return Math.min(leftMs, checkEveryMs);
    }
    this.#giveUp(nowMs, explainedMs > 0);
    return 0;
  }

  opened(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const other of this.#pulse.waiting) {
      if (other === this) {
        break;
      }
      other.overtakenBy += 1;
    }
    this.#stopWaiting();
    this.#phase = "open";
    if (this.#request.isStream) {
      this.#pulse.learnFirstEvent(nowMs - this.#sentAtMs, this.#tokensAhead);
    }
    this.#note(nowMs);
  }

  event(): void {
    const nowMs = this.#options.clock.monotonicMs();
    // After a pause the last sign is at the end of time, and the gap is none.
    this.#longestGapMs = Math.max(this.#longestGapMs, nowMs - this.#lastMs);
    this.#note(nowMs);
  }

  pause(): void {
    this.#lastMs = Number.POSITIVE_INFINITY;
  }

  resume(): void {
    this.#lastMs = this.#options.clock.monotonicMs();
  }

  end(): void {
    if (this.#phase === "open" && this.#longestGapMs > 0 && !this.#isGivenUp) {
      this.#pulse.learnGap(this.#longestGapMs);
    }
    this.#stopWaiting();
    this.#phase = "over";
  }

  #note(nowMs: number): void {
    this.#lastMs = nowMs;
    this.#pulse.lastEventMs = nowMs;
    this.#pulse.isSilent = false;
  }

  /** Only with the first look: what was never sent is never ended. */
  #startWaiting(): void {
    this.#phase = "waiting";
    this.#pulse.waiting.add(this);
    this.#pulse.waitingTokens += this.#request.promptTokens;
    this.#pulse.wholes += this.#request.isStream ? 0 : 1;
    this.#tokensAhead = this.#pulse.waitingTokens;
  }

  #stopWaiting(): void {
    const { waiting } = this.#pulse;
    if (this.#phase !== "waiting" || !waiting.delete(this)) {
      return;
    }
    this.#pulse.waitingTokens -= this.#request.promptTokens;
    this.#pulse.wholes -= this.#request.isStream ? 0 : 1;
  }

  /** When patience ends, whatever explains the silence. */
  #boundMs(): number {
    const { firstEventTimeoutMs, idleTimeoutMs, wholeTimeoutMs } = this.#options.limits;
    if (this.#phase === "open") {
      return this.#lastMs + idleTimeoutMs;
    }
    return this.#sentAtMs + (this.#request.isStream ? firstEventTimeoutMs : wholeTimeoutMs);
  }

  /** Until when the silence is explained, by its pace and its queue, with the grace added. */
  #explainedUntilMs(nowMs: number): number {
    const sight = this.#options.sightOf(this.#request.replica);
    const { silenceGraceMs } = this.#options.limits;
    const sinceMs = this.#silentSinceMs();
    const illSinceMs = this.#illSinceMs(sight, nowMs);
    const explainedUntilMs = sinceMs + this.#explainedMs(sight, sinceMs) + silenceGraceMs;
    // Illness shortens the patience: one that shows late must not add to it.
    return illSinceMs === undefined
      ? explainedUntilMs
      : Math.min(
          explainedUntilMs,
          Math.max(sinceMs, illSinceMs) + silenceGraceMs * graceShareOfIll,
        );
  }

  /** Since when it is ill by other signs than this request's silence; undefined when it is not. */
  #illSinceMs({ isHealthy }: ReplicaSight, nowMs: number): number | undefined {
    const pulse = this.#pulse;
    const isIll = !isHealthy || pulse.isSilent;
    pulse.illSinceMs = isIll ? (pulse.illSinceMs ?? nowMs) : undefined;
    return pulse.illSinceMs;
  }

  #explainedMs({ isSteady, idleAtMs, engineWaiting }: ReplicaSight, sinceMs: number): number {
    if (this.#phase === "open") {
      return this.#pulse.gapMs ?? (isSteady ? 0 : Number.POSITIVE_INFINITY);
    }
    const learnedMs = this.#request.isStream
      ? this.#pulse.firstEventMs(this.#tokensAhead)
      : undefined;
    // An engine that says that it has nothing to do does not work on this.
    if (idleAtMs !== undefined && idleAtMs > sinceMs) {
      return learnedMs ?? 0;
    }
    // Whole answers, and the requests of other proxies, keep an engine busy without a sign to us.
    const isHiddenWork = this.#pulse.wholes > 0 || engineWaiting > this.#pulse.waiting.size;
    return isHiddenWork ? Number.POSITIVE_INFINITY : (learnedMs ?? Number.POSITIVE_INFINITY);
  }

  /**
   * While it waits in the engine's queue, the events of others are its signs of life: they are what
   * it waits for.
   */
  #silentSinceMs(): number {
    return this.#phase === "open" || this.overtakenBy >= overtakenMax
      ? this.#lastMs
      : Math.max(this.#sentAtMs, this.#pulse.lastEventMs);
  }

  #giveUp(nowMs: number, isExplained: boolean): void {
    this.#isGivenUp = true;
    const { lastEventMs } = this.#pulse;
    // Where others move, or something else explains it, only this one is lost; else the replica is.
    if (!isExplained && lastEventMs <= this.#lastMs) {
      this.#pulse.isSilent = true;
      this.#options.onSilent(this.#request.replica, Math.round(nowMs - this.#lastMs));
    }
  }
}
