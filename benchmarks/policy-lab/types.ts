/** The one interface a placement policy implements to run in the lab. */
import type { Random } from "@warmpath/runtime/base";
import type { BlockChain, CacheEvent } from "../engine/types.ts";
import type { GapKind, SloClass } from "../workloads/types.ts";

/** A request as a router sees it before it is placed. */
export interface RoutedRequest {
  readonly id: number;
  readonly sessionId: string;
  readonly tenant: string;
  readonly sloClass: SloClass;
  /** 0 for the session's first. */
  readonly turn: number;
  readonly chain: BlockChain;
  readonly promptTokens: number;
  /** Set for oracles only: other policies must not know it. */
  readonly outputTokens?: number;
}

/** One replica as a router sees it: scraped figures are as old as the lab's staleness setting. */
export interface ReplicaView {
  readonly index: number;
  /** False while the router knows it to be down; it cannot be chosen then. */
  readonly healthy: boolean;
  /** As last scraped. */
  readonly running: number;
  readonly waiting: number;
  readonly kvUsage: number;
  /** Figures of the engine that never change. */
  readonly blocks: number;
  readonly blockTokens: number;
}

/** What an oracle may look at: the true state of one replica. */
export interface ReplicaTruth {
  cachedTokens(chain: BlockChain, promptTokens: number): number;
  /** Prefill and decode seconds of work that is on the replica, by the engine's own step model. */
  outstandingSeconds(): number;
  /** Requests that are on the replica now, waiting or running; absent where a lab cannot tell. */
  requests?(): number;
  /**
   * Seconds of engine time that `uncachedTokens` of prefill at the end of a prompt of
   * `promptTokens` would add, by the step model. A lab that cannot tell leaves it out: oracles then
   * assume an 8B model on an H100.
   */
  prefillSeconds?(uncachedTokens: number, promptTokens: number): number;
}

/** What the lab hands to a policy when it starts. */
export interface PolicyContext {
  readonly replicas: number;
  readonly blockTokens: number;
  /** KV capacity of each replica in blocks. */
  readonly blocks: readonly number[];
  readonly random: Random;
  /** For oracles; a policy that uses it says so with `isOracle`. */
  truth(replica: number): ReplicaTruth;
}

/** What a policy says of a request. */
export type Placement = number | "hold" | { readonly refuse: number };

/** A running policy. All methods are called in the order of virtual time. */
export interface PolicyRun {
  /**
   * Index of the replica, or "hold": the lab asks again, in the order of arrival, when a scrape
   * came or 100 ms passed, and when a request ended for as long as not many in a row are refused.
   * `refuse`: the client is told to come again after so many ms, and does, as another request.
   */
  place(request: RoutedRequest, replicas: readonly ReplicaView[], nowMs: number): Placement;
  onFirstToken?(requestId: number, nowMs: number): void;
  /** `cachedTokens` as the engine's usage reports it; undefined when the request failed. */
  onEnded?(requestId: number, nowMs: number, usage: RoutedUsage | undefined): void;
  /** The session pauses after a turn for so long as only the lab knows; kind and tool are seen. */
  onPause?(sessionId: string, kind: GapKind, toolName: string | undefined, nowMs: number): void;
  onSessionEnded?(sessionId: string, nowMs: number): void;
  /** KV events of one engine step, late or lost as the lab is set. */
  onCacheEvents?(replica: number, events: readonly CacheEvent[], nowMs: number): void;
  /** The replica died or was restarted with an empty cache. */
  onReplicaLost?(replica: number, nowMs: number): void;
}

export interface RoutedUsage {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
}

/** A policy: one file in `policies/`. */
export interface Policy {
  readonly name: string;
  /** Where its definition was published: project or paper, version, file or section. */
  readonly source: string;
  readonly about: string;
  /** True when it looks at the truth: a bound, not a contender. */
  readonly isOracle?: boolean;
  start(context: PolicyContext): PolicyRun;
}
