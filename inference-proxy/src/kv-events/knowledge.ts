import { after, type Clock, type Logger, messageOf, type Random } from "@warmpath/runtime/base";
import type { Pool, Replica } from "../upstream/pool.ts";
import type { ReplicaAddress } from "../upstream/replica.ts";
import type { FinishedPrompt } from "./audit.ts";
import { discoverSources } from "./discover.ts";
import { type Foresight, foresee, type SentPrompt } from "./foresight.ts";
import type { KvEventsMetrics } from "./metrics.ts";
import { openReplicaEvents, type ReplicaEvents } from "./replica-events.ts";
import type { ConfiguredSources, KvSource } from "./sources.ts";
import type { Doubt } from "./trust.ts";
import type { CacheNews } from "./types.ts";

/** What all replicas' caches hold, by their engines' own words. */
export interface KvKnowledge {
  /** Tokens of a block, as the first engine says that has stored one; undefined before. */
  readonly blockTokens: number | undefined;
  /**
   * A prompt goes to a replica now, once for each try. Undefined where the replica tells no events.
   */
  send(replica: string, prompt: SentPrompt): Foresight | undefined;
  /** Takes in the end of a request whose engine reported its usage. */
  finished(replica: string, prompt: FinishedPrompt, foresight: Foresight | undefined): void;
  describe(replica: string): KnowledgeFacts;
  close(): Promise<void>;
}

/** What is known of one replica's cache, for people. */
export interface KnowledgeFacts {
  /** `events`: its engine tells. `history`: what we sent there is all there is. */
  readonly source: "events" | "history";
  /** Why its events are not believed; empty where they are, or where there are none. */
  readonly doubts: readonly Doubt[];
  /** In its cache; undefined where it publishes no events. */
  readonly blocks: number | undefined;
}

/** What following engines stands on. */
export interface KvKnowledgeOptions {
  readonly pool: Pool;
  readonly configured: ConfiguredSources;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: KvEventsMetrics;
  /** Who takes in the changes; default: nobody. */
  readonly news?: CacheNews;
  readonly limits: {
    readonly isDiscovering: boolean;
    readonly timeoutMs: number;
    readonly stallMs: number;
    readonly blocksMax: number;
    readonly messageBytesMax: number;
  };
}

/** How often streams are looked at: replays wait for a second of silence. */
const tickMs = 250;
/** News of many replicas' health are looked at together: each look goes over all of them. */
const gatherMs = 20;
/** Rest before an engine that listed nothing, or did not answer, is asked again. */
const askAgainMs = 30_000;

const nobody: CacheNews = {
  stored: () => undefined,
  removed: () => undefined,
  cleared: () => undefined,
  forgotten: () => undefined,
  trusted: () => undefined,
};

/** Follows the engines of the pool from now on; opens sockets as soon as it knows where. */
export function startKvKnowledge(options: KvKnowledgeOptions): KvKnowledge {
  const knowledge = new FollowedPool(options);
  knowledge.start();
  return knowledge;
}

/** One replica, whether it has events or not. */
interface Followed {
  /** Whose events these are: a pod's, where pods come and go. */
  address: ReplicaAddress;
  events: ReplicaEvents | undefined;
  isHealthy: boolean;
  isAsking: boolean;
  askAtMs: number;
}

class FollowedPool implements KvKnowledge {
  readonly #options: KvKnowledgeOptions;
  readonly #followed = new Map<string, Followed>();
  readonly #closed = new AbortController();
  #isLookDue = false;

  constructor(options: KvKnowledgeOptions) {
    this.#options = options;
    for (const { address } of options.pool.replicas) {
      const askAtMs = Number.NEGATIVE_INFINITY;
      const followed = { address, events: undefined, isHealthy: false, isAsking: false, askAtMs };
      this.#followed.set(address.name, followed);
    }
  }

  start(): void {
    this.#options.pool.onChange(() => this.#lookSoon());
    this.#look();
    void this.#run();
  }

  get blockTokens(): number | undefined {
    for (const { events } of this.#followed.values()) {
      const blockTokens = events?.blockTokens;
      if (blockTokens !== undefined) return blockTokens;
    }
    return undefined;
  }

  send(replica: string, sent: SentPrompt): Foresight | undefined {
    const events = this.#followed.get(replica)?.events;
    return events === undefined ? undefined : foresee(events, sent);
  }

  finished(replica: string, prompt: FinishedPrompt, foresight: Foresight | undefined): void {
    const result = this.#followed.get(replica)?.events?.finished(prompt, foresight);
    if (result !== undefined) this.#options.metrics.predictions.inc({ replica, result });
  }

  describe(replica: string): KnowledgeFacts {
    const events = this.#followed.get(replica)?.events;
    if (events === undefined) return { source: "history", doubts: [], blocks: undefined };
    const { isTrusted, doubts } = events.trust;
    return { source: isTrusted ? "events" : "history", doubts, blocks: events.blocks };
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await Promise.all([...this.#followed.values()].map(({ events }) => events?.close()));
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#closed;
    while (!signal.aborted) {
      // Only the end of it all interrupts the wait.
      await clock.sleep(tickMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      this.#look();
      for (const { events } of this.#followed.values()) events?.tick();
    }
  }

  #lookSoon(): void {
    if (this.#isLookDue) return;
    this.#isLookDue = true;
    after(this.#options.clock, gatherMs, () => {
      this.#isLookDue = false;
      if (!this.#closed.signal.aborted) this.#look();
    });
  }

  /** Sees which engines came up or went, and asks new ones where their events are. */
  #look(): void {
    for (const replica of this.#options.pool.replicas) {
      const followed = this.#followed.get(replica.address.name);
      if (followed === undefined) continue;
      const { healthy, metrics } = replica.facts;
      if (followed.address !== replica.address) this.#moved(followed, replica.address);
      followed.events?.hint(metrics?.blockTokens);
      if (healthy !== followed.isHealthy) {
        followed.isHealthy = healthy;
        // What comes up may be another engine, with its events elsewhere.
        if (healthy) followed.askAtMs = Number.NEGATIVE_INFINITY;
        if (healthy) followed.events?.up();
        else followed.events?.down();
      }
      if (healthy && this.#isAskingDue(followed)) void this.#find(replica, followed);
    }
  }

  /**
   * Another engine, or none, is in its place: what the one before had is gone with it. Nobody goes
   * on calling where it was, and an empty place has no trust to report.
   */
  #moved(followed: Followed, address: ReplicaAddress): void {
    const { events } = followed;
    followed.address = address;
    followed.isHealthy = false;
    if (events === undefined) return;
    followed.events = undefined;
    events.down();
    events.drop();
    void this.#closeMoved(events, address);
  }

  async #closeMoved(events: ReplicaEvents, { name: replica }: ReplicaAddress): Promise<void> {
    const closing = events.close();
    const { trusted, blocks } = this.#options.metrics;
    for (const gauge of [trusted, blocks]) gauge.remove({ replica });
    await closing;
  }

  #isAskingDue({ isAsking, askAtMs }: Followed): boolean {
    return (
      !isAsking && !this.#closed.signal.aborted && this.#options.clock.monotonicMs() >= askAtMs
    );
  }

  /** Never rejects. */
  async #find({ address, facts }: Replica, followed: Followed): Promise<void> {
    const { configured, clock, log, limits } = this.#options;
    followed.isAsking = true;
    followed.askAtMs = Number.POSITIVE_INFINITY;
    try {
      const isAsked = limits.isDiscovering && facts.kind === "vllm";
      const sources =
        configured.get(address.name) ??
        (isAsked ? await discoverSources(address, limits.timeoutMs, clock) : []);
      // What moved meanwhile is asked anew where it is now.
      if (followed.address !== address) return;
      await this.#follow(address, followed, sources);
      if (sources.length === 0) followed.askAtMs = clock.monotonicMs() + askAgainMs;
    } catch (error) {
      if (followed.address !== address) return;
      log.debug("kv events cannot be followed", {
        replica: address.name,
        detail: messageOf(error),
      });
      followed.askAtMs = clock.monotonicMs() + askAgainMs;
    } finally {
      followed.isAsking = false;
    }
  }

  async #follow(
    address: ReplicaAddress,
    followed: Followed,
    sources: readonly KvSource[],
  ): Promise<void> {
    const { name: replica } = address;
    const { events } = followed;
    if (events !== undefined && Bun.deepEquals(events.sources, sources)) return;
    if (events !== undefined) {
      followed.events = undefined;
      events.drop();
      await events.close();
    }
    if (sources.length === 0 || this.#closed.signal.aborted) return;
    const { clock, random, log, metrics, limits, news = nobody } = this.#options;
    const opened = await openReplicaEvents(replica, sources, {
      clock,
      random,
      log,
      metrics,
      news,
      limits,
      messageBytesMax: limits.messageBytesMax,
    });
    // The process may have ended, or the engine gone, while the sockets were opened.
    if (followed.address !== address) return await this.#closeMoved(opened, address);
    if (this.#closed.signal.aborted) return await opened.close();
    followed.events = opened;
    this.#look();
    if (!followed.isHealthy) opened.down();
    log.info("kv events are followed", {
      replica,
      endpoints: sources.map(({ endpoint }) => endpoint),
    });
  }
}
