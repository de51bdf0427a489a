import type { ChainSpace } from "../../engine/index.ts";
import type { CacheEvent } from "../../engine/types.ts";
import type { Policy, PolicyRun, ReplicaView, RoutedRequest } from "../types.ts";
import type { Attempt, LiveTurn } from "./attempt.ts";
import type { InfiniteCache } from "./bound.ts";
import type { CacheEventLine } from "./cache-event-line.ts";
import type { EventQueue } from "./event-queue.ts";
import type { LiveSession } from "./live-session.ts";
import type { Recorder } from "./recorder.ts";
import { blockTokens, type Replica } from "./replica.ts";

type MutableView = { -readonly [Key in keyof ReplicaView]: ReplicaView[Key] };

/** A turn whose policy said "hold". */
interface HeldTurn {
  readonly turn: LiveTurn;
  readonly request: RoutedRequest;
  readonly sinceMs: number;
}

/** While requests are held, the policy is asked again after so long at the latest. */
const askAgainMs = 100;
/**
 * When a request ends, this many in a row may be refused before the rest is left for the next
 * scrape or timer: thousands may be held, and asking for all of them at each end takes for ever.
 */
const refusedMax = 32;
/** Longer than any pause that an admission policy could reasonably wait out. */
const idleHoldMsMax = 30 * 60_000;

interface RouterOptions {
  readonly policy: Policy;
  readonly run: PolicyRun;
  readonly replicas: readonly Replica[];
  readonly queue: EventQueue;
  readonly chains: ChainSpace;
  readonly infiniteCache: InfiniteCache;
  readonly recorder: Recorder;
  readonly cacheEvents: CacheEventLine;
  onTurnEnded(turn: LiveTurn, nowMs: number): void;
}

/**
 * Between sessions and replicas: asks the policy for a place as the proxy does, in one synchronous
 * call, and tells it what a proxy would know.
 */
export class Router {
  readonly #options: RouterOptions;
  readonly #views: MutableView[];
  #held: HeldTurn[] = [];
  #nextId = 1;
  #willAsk = false;
  #hasTimer = false;
  #idleSinceMs: number | undefined;
  /** Attempts whose end is on its way to the client, and refused ones that will come again. */
  #returning = 0;

  constructor(options: RouterOptions) {
    this.#options = options;
    this.#views = options.replicas.map(({ index, blocks }) => ({
      index,
      healthy: true,
      running: 0,
      waiting: 0,
      kvUsage: 0,
      blocks,
      blockTokens,
    }));
  }

  get held(): number {
    return this.#held.length;
  }

  /** Turns sent and not ended: held, at replicas, or on their way back. */
  get underWay(): number {
    const atReplicas = this.#options.replicas.reduce((sum, { inFlight }) => sum + inFlight.size, 0);
    return this.held + atReplicas + this.#returning;
  }

  /** A turn arrives from its client, or once more after its replica died. */
  send(turn: LiveTurn): void {
    const { chains, policy } = this.#options;
    const { session, plan, index } = turn;
    const { cacheSalt } = session.plan;
    this.#ask({
      turn,
      request: {
        id: this.#nextId++,
        sessionId: session.plan.id,
        tenant: session.plan.tenant,
        sloClass: session.plan.sloClass,
        turn: index,
        chain: chains.chainOf(plan.segments, {
          count: plan.promptSegments + 1,
          ...(cacheSalt === undefined ? {} : { salt: cacheSalt }),
        }),
        promptTokens: plan.promptTokens,
        ...(policy.isOracle === true ? { outputTokens: turn.outputTokens } : {}),
      },
      sinceMs: this.#options.queue.nowMs,
    });
  }

  /** Reads the gauges of every replica, which is also how one that came back is noticed. */
  scrape(): void {
    const { nowMs } = this.#options.queue;
    for (const replica of this.#options.replicas) {
      const view = this.#views[replica.index]!;
      view.healthy = replica.isAlive;
      replica.advance(nowMs);
      const { running, waiting, blocksUsed, blocks } = replica.load;
      view.running = running;
      view.waiting = waiting;
      view.kvUsage = blocks === 0 ? 0 : blocksUsed / blocks;
    }
    this.#askHeld();
  }

  onFirstToken(attempt: Attempt, atMs: number): void {
    const { queue, run, recorder, cacheEvents } = this.#options;
    queue.at(atMs, () => {
      if (attempt.isLost) return;
      if (run.onFirstToken !== undefined) {
        cacheEvents.deliver(queue.nowMs);
        run.onFirstToken(attempt.request.id, queue.nowMs);
      }
      if (attempt.turn.firstTokenMs !== undefined) return;
      attempt.turn.firstTokenMs = queue.nowMs;
      recorder.firstToken(attempt.turn, queue.nowMs);
    });
  }

  onFinished(attempt: Attempt, atMs: number): void {
    const { queue, run, recorder, cacheEvents, onTurnEnded } = this.#options;
    this.#returning += 1;
    queue.at(atMs, () => {
      const { turn, request } = attempt;
      const { nowMs } = queue;
      this.#returning -= 1;
      cacheEvents.deliver(nowMs);
      const { promptTokens } = request;
      const { outputTokens } = turn;
      // A client that left takes the connection with it, and the usage with that.
      const isAborted = outputTokens < turn.plan.outputTokens;
      const cachedTokens = attempt.cachedTokens ?? 0;
      run.onEnded?.(
        request.id,
        nowMs,
        isAborted ? undefined : { promptTokens, cachedTokens, outputTokens },
      );
      recorder.turnEnded(turn, nowMs);
      onTurnEnded(turn, nowMs);
      this.#askSoon();
    });
  }

  onPause({ plan, nextTurn }: LiveSession): void {
    const { run, queue } = this.#options;
    const next = plan.turns[nextTurn];
    if (next === undefined) return;
    run.onPause?.(plan.id, next.gapKind, next.toolName, queue.nowMs);
  }

  onSessionEnded({ plan }: LiveSession): void {
    this.#options.run.onSessionEnded?.(plan.id, this.#options.queue.nowMs);
  }

  /** Every connection to the replica breaks: what was in flight there is sent again at once. */
  loseReplica(replica: Replica): void {
    const { queue, run, recorder, cacheEvents } = this.#options;
    const { nowMs } = queue;
    replica.advance(nowMs);
    const lost = replica.die();
    this.#views[replica.index]!.healthy = false;
    cacheEvents.deliver(nowMs);
    cacheEvents.forget(replica.index);
    run.onReplicaLost?.(replica.index, nowMs);
    for (const { request } of lost) run.onEnded?.(request.id, nowMs, undefined);
    for (const { turn } of lost) {
      recorder.retried(nowMs);
      this.send(turn);
    }
  }

  onCacheEvents(replica: number, events: readonly CacheEvent[], nowMs: number): void {
    this.#options.cacheEvents.add(replica, events, nowMs);
  }

  #ask(held: HeldTurn): void {
    if (this.#tryPlace(held)) return;
    this.#held.push(held);
    this.#startTimer();
  }

  /** False when the turn must wait: the policy said so, or nobody is healthy. */
  #tryPlace({ turn, request, sinceMs }: HeldTurn): boolean {
    const { policy, run, queue, replicas, cacheEvents, recorder } = this.#options;
    const { nowMs } = queue;
    if (!this.#views.some(({ healthy }) => healthy)) return false;
    cacheEvents.deliver(nowMs);
    const chosen = run.place(request, this.#views, nowMs);
    if (chosen === "hold") return false;
    recorder.waited(nowMs - sinceMs, nowMs);
    if (typeof chosen === "object") {
      turn.heldMs += nowMs - sinceMs;
      recorder.refused(nowMs);
      this.#returning += 1;
      queue.at(nowMs + chosen.refuse, () => {
        this.#returning -= 1;
        this.send(turn);
      });
      return true;
    }
    const replica = replicas[chosen];
    if (replica === undefined || this.#views[chosen]?.healthy !== true) {
      throw new Error(`policy "${policy.name}" chose replica ${chosen}, which cannot be chosen`);
    }
    turn.heldMs += nowMs - sinceMs;
    this.#place(turn, request, replica);
    return true;
  }

  #place(turn: LiveTurn, request: RoutedRequest, replica: Replica): void {
    const { policy, queue, infiniteCache } = this.#options;
    const { chain, promptTokens } = request;
    const prefillMs =
      policy.isOracle === true
        ? replica.prefillMs(promptTokens - replica.cachedTokens(chain, promptTokens), promptTokens)
        : 0;
    turn.boundTokens = infiniteCache.send(chain, promptTokens, turn.outputTokens);
    replica.add(
      { turn, request, replica: replica.index, prefillMs, cachedTokens: undefined, isLost: false },
      queue.nowMs,
    );
  }

  /** A request ended: asks for those who wait longest, once for all that ends at this time. */
  #askSoon(): void {
    if (this.#willAsk || this.#held.length === 0) return;
    this.#willAsk = true;
    this.#options.queue.at(this.#options.queue.nowMs, () => {
      this.#willAsk = false;
      this.#askHeld(refusedMax);
    });
  }

  /** Asks for the held in the order of their coming, until so many in a row must go on waiting. */
  #askHeld(inARowMax = Number.POSITIVE_INFINITY): void {
    if (this.#held.length === 0) return;
    const asked = this.#held;
    const stillHeld: HeldTurn[] = [];
    this.#held = stillHeld;
    let inARow = 0;
    for (const held of asked) {
      if (inARow < inARowMax && this.#tryPlace(held)) {
        inARow = 0;
      } else {
        stillHeld.push(held);
        inARow += 1;
      }
    }
    this.#checkProgress();
  }

  #startTimer(): void {
    if (this.#hasTimer) return;
    this.#hasTimer = true;
    const { queue } = this.#options;
    queue.at(queue.nowMs + askAgainMs, () => {
      this.#hasTimer = false;
      this.#askHeld();
      if (this.#held.length > 0) this.#startTimer();
    });
  }

  /** Throws where a policy holds requests before a fleet that has long had nothing to do. */
  #checkProgress(): void {
    const { policy, queue } = this.#options;
    const { nowMs } = queue;
    if (this.#held.length === 0 || this.underWay > this.#held.length) {
      this.#idleSinceMs = undefined;
      return;
    }
    this.#idleSinceMs ??= nowMs;
    if (nowMs - this.#idleSinceMs < idleHoldMsMax) return;
    throw new Error(
      `policy "${policy.name}" holds ${this.#held.length} requests before an idle fleet for ` +
        `${idleHoldMsMax / 60_000} min`,
    );
  }
}
