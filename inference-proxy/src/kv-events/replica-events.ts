import type { Clock, Logger } from "@warmpath/runtime/base";
import {
  type AuditResult,
  compare,
  createAudit,
  createStallWatch,
  type FinishedPrompt,
} from "./audit.ts";
import { createEngineBlocks, type EngineBlocks } from "./engine-blocks.ts";
import type { Foresight } from "./foresight.ts";
import type { KvEventsMetrics } from "./metrics.ts";
import type { KvSource } from "./sources.ts";
import { type EventStream, openStream, type StreamMeans } from "./stream.ts";
import { blocksOfText } from "./text-prompt.ts";
import { createTrust, type Doubt, type Trust } from "./trust.ts";
import type { CacheNews, KvBatch } from "./types.ts";

/** What following one replica stands on. */
export interface ReplicaEventsMeans extends StreamMeans {
  readonly clock: Clock;
  readonly log: Logger;
  readonly news: CacheNews;
  readonly metrics: KvEventsMetrics;
  readonly limits: { readonly stallMs: number; readonly blocksMax: number };
}

/** Everything known of one replica's caches through its events; one cache for each rank. */
export interface ReplicaEvents {
  readonly trust: Trust;
  readonly sources: readonly KvSource[];
  /** Distinct blocks over all ranks. */
  readonly blocks: number;
  /** Tokens of a block, as stores say, or before the first the engine's metrics. */
  readonly blockTokens: number | undefined;
  /** Takes in what the engine's metrics say about its blocks. */
  hint(blockTokens: number | undefined): void;
  /**
   * Leading keys of a prompt that its fullest rank holds or is about to: with several ranks the
   * engine picks one without looking, so it is the most that can be hit.
   */
  depthOf(keys: ArrayLike<number>): number;
  /**
   * A prompt with these keys is being sent: vLLM lets others hit its blocks while they are still
   * being computed, and before we hear of them. Call what is returned once it has been answered.
   */
  expect(keys: ArrayLike<number>): () => void;
  /**
   * True while blocks may be there that were stored before the first event that could be had. A
   * vLLM that is asked to tells with each request what it found.
   */
  readonly isIncomplete: boolean;
  /** A prompt is being sent under this session id: its blocks are to be found later. */
  watch(label: string, isReporting: boolean): void;
  /** Takes in what an answer says about the cache; undefined: nothing was foretold. */
  finished(prompt: FinishedPrompt, foresight: Foresight | undefined): AuditResult | undefined;
  /** The engine is out: what it had is gone, unless its events say otherwise when it is back. */
  down(): void;
  up(): void;
  /** Call it a few times a second. */
  tick(): void;
  /** Tells that nothing is known any more; `close` follows. */
  drop(): void;
  close(): Promise<void>;
}

/** First and longest rest between two complete readings, in ms. */
const rereadMinMs = 5000;
const rereadMaxMs = 300_000;

/** One rank: its cache and its stream. */
interface Rank {
  readonly blocks: EngineBlocks;
  readonly stream: EventStream;
  /** It was emptied since the first event that we know. */
  isCleared: boolean;
}

/** Follows all sources of one replica. Throws `rejected-invalid` for an endpoint that is none. */
export async function openReplicaEvents(
  replica: string,
  sources: readonly KvSource[],
  means: ReplicaEventsMeans,
): Promise<ReplicaEvents> {
  const events = new FollowedReplica(replica, sources, means);
  await events.open();
  return events;
}

class FollowedReplica implements ReplicaEvents {
  readonly trust: Trust;
  readonly sources: readonly KvSource[];
  readonly #replica: string;
  readonly #means: ReplicaEventsMeans;
  readonly #ranks: Rank[] = [];
  /** Keys of prompts under way, with how many of them have each. */
  readonly #expected = new Map<number, number>();
  readonly #audit = createAudit();
  readonly #stalls;
  #hinted: number | undefined;
  /** When everything may be read anew, and how long the next rest is. */
  #rereadAtMs = Number.NEGATIVE_INFINITY;
  #restMs = rereadMinMs;
  #isUnreadable = false;
  /** It tells with a request what the request found, if it is asked to. */
  #isReporting = false;

  constructor(replica: string, sources: readonly KvSource[], means: ReplicaEventsMeans) {
    this.#replica = replica;
    this.sources = sources;
    this.#means = means;
    this.#stalls = createStallWatch(means.limits.stallMs);
    this.trust = createTrust((isTrusted, doubts) => this.#tellTrust(isTrusted, doubts));
    means.metrics.trusted.set({ replica }, 0);
  }

  async open(): Promise<void> {
    try {
      for (const source of this.sources) await this.#openRank(source);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  get blocks(): number {
    return this.#ranks.reduce((sum, { blocks }) => sum + blocks.size, 0);
  }

  get blockTokens(): number | undefined {
    for (const { blocks } of this.#ranks) {
      if (blocks.blockTokens !== undefined) return blocks.blockTokens;
    }
    return this.#hinted;
  }

  hint(blockTokens: number | undefined): void {
    this.#hinted = blockTokens;
  }

  depthOf(keys: ArrayLike<number>): number {
    let deepest = 0;
    for (const { blocks } of this.#ranks) {
      let depth = 0;
      while (depth < keys.length && this.#hasOrExpects(blocks, keys[depth]!)) depth += 1;
      deepest = Math.max(deepest, depth);
    }
    return deepest;
  }

  expect(keys: ArrayLike<number>): () => void {
    // Which of several ranks it will be is not known.
    if (this.sources.length > 1) return () => undefined;
    const own: number[] = [];
    const [blocks] = this.#ranks.map((rank) => rank.blocks);
    for (let index = 0; index < keys.length; index++) {
      const key = keys[index]!;
      if (blocks?.holds(key) === true) continue;
      own.push(key);
      this.#expected.set(key, (this.#expected.get(key) ?? 0) + 1);
    }
    return () => {
      for (const key of own.splice(0)) {
        const count = this.#expected.get(key)! - 1;
        if (count === 0) this.#expected.delete(key);
        else this.#expected.set(key, count);
      }
    };
  }

  get isIncomplete(): boolean {
    return this.#ranks.some(
      ({ blocks, stream, isCleared }) =>
        stream.follower.state === "live" &&
        (blocks.orphans > 0 || (!stream.follower.isFromStart && !isCleared)),
    );
  }

  watch(label: string, isReporting: boolean): void {
    for (const { blocks } of this.#ranks) blocks.watch(label, isReporting);
  }

  finished(prompt: FinishedPrompt, foresight: Foresight | undefined): AuditResult | undefined {
    const nowMs = this.#means.clock.monotonicMs();
    const { blockTokens } = this;
    // Before the first store nothing says how large a block is; vLLM's largest usual one is owed.
    this.#stalls.finished(prompt, blockTokens ?? blockTokensMax, nowMs);
    if (foresight === undefined) return undefined;
    this.#align(prompt, foresight);
    return foresight.cachedTokens === undefined
      ? undefined
      : this.#judge(foresight.cachedTokens, prompt.cachedTokens);
  }

  down(): void {
    this.trust.set("down", true);
    for (const { stream } of this.#ranks) stream.follower.restart(this.#means.clock.monotonicMs());
    this.#means.news.cleared(this.#replica);
  }

  up(): void {
    this.trust.set("down", false);
  }

  tick(): void {
    const nowMs = this.#means.clock.monotonicMs();
    for (const { stream } of this.#ranks) stream.tick();
    if (this.#stalls.isStalled(nowMs)) this.trust.set("stalled", true);
    const { doubts } = this.trust;
    const isWrong = doubts.some((doubt) => mendedByReading.has(doubt));
    if (isWrong && nowMs >= this.#rereadAtMs) this.#reread(nowMs);
    else if (this.trust.isTrusted && nowMs - this.#rereadAtMs > this.#restMs) {
      this.#restMs = rereadMinMs;
    }
    this.#reportGauges();
  }

  drop(): void {
    this.trust.set("stream", true);
    this.#means.news.forgotten(this.#replica);
  }

  async close(): Promise<void> {
    await Promise.all(this.#ranks.map(({ stream }) => stream.close()));
  }

  /** Finds the blocks of a prompt among those stored under its session id. */
  #align(prompt: FinishedPrompt, { label, text, wantsReport }: Foresight): void {
    const { blockTokens } = this;
    if (label === undefined || blockTokens === undefined) return;
    for (const { blocks } of this.#ranks) {
      const isReported = blocks.reported(label) * blockTokens === prompt.cachedTokens;
      if (wantsReport && prompt.cachedTokens > 0 && isReported) this.#isReporting = true;
      const { keys } = text ?? { keys: [] };
      const blockOf = text && blocksOfText(text, prompt.inputTokens, blockTokens);
      blocks.alias(label, keys, blockOf ?? (() => 0));
    }
    this.#review();
  }

  #judge(predictedTokens: number, reportedTokens: number): AuditResult {
    const result = compare(predictedTokens, reportedTokens);
    // More than one rank is no ground, nor is what was cached before anybody told us.
    const isJudged = this.#ranks.length === 1 && !(result === "under" && this.isIncomplete);
    if (isJudged && this.#audit.isFailed(result)) this.trust.set("audit", true);
    return result;
  }

  #hasOrExpects(blocks: EngineBlocks, key: number): boolean {
    return blocks.holds(key) || this.#expected.has(key);
  }

  async #openRank(source: KvSource): Promise<void> {
    const { news, metrics, limits } = this.#means;
    const replica = this.#replica;
    // What is replayed is the engine's past: it may have filled again what it cleared then.
    let isLive = () => false;
    let isRestart = false;
    const blocks = createEngineBlocks(
      {
        stored: (keys) => news.stored(replica, keys),
        removed: (keys) => news.removed(replica, keys),
        cleared: () =>
          this.#onGone(() =>
            isRestart || isLive() ? news.cleared(replica) : news.forgotten(replica),
          ),
        forgotten: () => this.#onGone(() => news.forgotten(replica)),
      },
      limits.blocksMax,
    );
    const rank: { isCleared: boolean } = { isCleared: false };
    const stream = await openStream(source, this.#means, {
      onBatch: (batch) => {
        if (batch.events.some(({ type }) => type === "cleared")) rank.isCleared = true;
        this.#onBatch(blocks, batch);
      },
      onHeard: (batch) => this.#onHeard(batch),
      onForgotten: (why) => {
        metrics.forgotten.inc({ replica, reason: why });
        rank.isCleared = false;
        isRestart = why === "restart";
        blocks.clear(isRestart ? "empty" : "unknown");
        isRestart = false;
      },
      onComplete: () => this.#review(),
      onAsk: () => metrics.replays.inc({ replica }),
      onUnreadable: (error) => this.#onUnreadable(error),
    });
    isLive = () => stream.follower.state === "live";
    this.#ranks.push(Object.assign(rank, { blocks, stream }));
    // Its first batches may have come before it was counted.
    this.#review();
  }

  #onBatch(blocks: EngineBlocks, batch: KvBatch): void {
    this.#count(batch);
    blocks.apply(batch);
    if (!this.trust.isTrusted || blocks.orphans > 0) this.#review();
  }

  #onHeard(batch: KvBatch): void {
    const { metrics, clock } = this.#means;
    const lagMs = Math.max(0, clock.nowMs() - batch.atMs);
    metrics.lagSeconds.observe({ replica: this.#replica }, lagMs / 1000);
    this.#stalls.heard(clock.monotonicMs());
    this.trust.set("stalled", false);
  }

  #count({ events, unknownEvents }: KvBatch): void {
    const { metrics } = this.#means;
    const replica = this.#replica;
    const counts = { stored: 0, removed: 0, cleared: 0, unknown: unknownEvents };
    for (const { type } of events) counts[type] += 1;
    for (const [type, count] of Object.entries(counts)) {
      if (count > 0) metrics.events.inc({ replica, type }, count);
    }
  }

  /** Other ranks still hold what they held: their keys are told again. */
  #onGone(tell: () => void): void {
    tell();
    for (const { blocks } of this.#ranks) blocks.tellAll();
  }

  #onUnreadable(error: unknown): void {
    const { metrics, log } = this.#means;
    metrics.unreadable.inc({ replica: this.#replica });
    if (!this.#isUnreadable) {
      log.warn("kv events cannot be read", { replica: this.#replica, error });
      this.#isUnreadable = true;
    }
    this.trust.set("unreadable", true);
  }

  /** Weighs what the streams say of themselves. */
  #review(): void {
    const ranks = this.#ranks;
    const isComplete =
      ranks.length === this.sources.length &&
      ranks.every(({ stream }) => stream.follower.state === "live");
    // Where each request tells what it found, what is left untold is what nobody asks for.
    const isUntold = !this.#isReporting && ranks.some(({ blocks }) => blocks.orphans > 0);
    this.trust.set("beginning", isUntold);
    this.trust.set("stream", !isComplete);
  }

  /** Forgets all and reads it again from the first batch that can be had. */
  #reread(nowMs: number): void {
    this.#rereadAtMs = nowMs + this.#restMs;
    this.#restMs = Math.min(2 * this.#restMs, rereadMaxMs);
    this.#audit.reset();
    this.#isUnreadable = false;
    this.trust.set("stream", true);
    for (const doubt of mendedByReading) this.trust.set(doubt, false);
    for (const { stream } of this.#ranks) stream.follower.restart(nowMs);
    this.#review();
  }

  #tellTrust(isTrusted: boolean, doubts: readonly Doubt[]): void {
    const { log, news, metrics } = this.#means;
    const replica = this.#replica;
    metrics.trusted.set({ replica }, isTrusted ? 1 : 0);
    if (isTrusted) log.info("kv events are trusted", { replica, blocks: this.blocks });
    else log.info("kv events are not trusted", { replica, doubts });
    news.trusted(replica, isTrusted);
  }

  #reportGauges(): void {
    this.#means.metrics.blocks.set({ replica: this.#replica }, this.blocks);
  }
}

/** Doubts that a complete reading settles. */
const mendedByReading: ReadonlySet<Doubt> = new Set(["audit", "unreadable"]);

/** vLLM's default on a CPU; GPUs have 16. */
const blockTokensMax = 128;
