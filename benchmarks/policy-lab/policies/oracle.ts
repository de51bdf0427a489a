import { CacheIndex } from "@warmpath/inference-proxy/policy";
import type { Policy, PolicyContext, PolicyRun, ReplicaView, RoutedRequest } from "../types.ts";
import { cheapest } from "./shared/choose.ts";

/** Where the lab cannot tell: 8B on one H100, per uncached token. */
const secondsPerTokenAssumed = 21e-6;
/** Engine blocks that one key of a session's footprint stands for: they are only counted. */
const chunkBlocks = 4;
/**
 * Share of a replica's KV that new sessions may fill: the rest is for the admitted ones' growth.
 */
const admittedShareMax = 0.9;
/**
 * A turn is sent to a full replica only when that saves so many times the prefill that it brings:
 * whom it evicts recomputes, and evicts in turn. Best of 1, 3, 10, 30 and 100 at demands 1 to 3.
 */
const evictionFactor = 30;
/** Of the outstanding work: it is shared with, not waited for. Best of 0, 0.02, 0.1 and 0.3. */
const sharedFactor = 0.02;

/**
 * Perfect knowledge of caches and outstanding work. A turn goes where its first token comes first:
 * the seconds of prefill that are ahead of it there, those of its own truly uncached tokens, and a
 * part of all that is outstanding. New sessions wait while the exact union of the admitted ones'
 * blocks, each shared block counted once, fills every replica. The bound that contenders are held
 * against; the best that this lab knows how to do, not a proof that nobody can do better.
 */
export const oracle: Policy = {
  name: "oracle",
  source: "this lab: PolicyContext.truth",
  about:
    "True backlog + seconds to prefill what is truly not cached; admits sessions by their exact blocks.",
  isOracle: true,
  start: (context) => new OracleRun(context),
};

/** An admitted session and what is accounted to it: the chunks of its last turn. */
interface Session {
  replica: number | undefined;
  request: RoutedRequest | undefined;
}

class OracleRun implements PolicyRun {
  readonly #context: PolicyContext;
  readonly #truths;
  readonly #footprint: CacheIndex;
  readonly #depths: Int32Array;
  readonly #sessions = new Map<string, Session>();
  readonly #aheadSeconds: Float64Array;
  /** Requests without a first token. */
  readonly #ahead = new Map<number, { readonly replica: number; readonly seconds: number }>();

  /** Changes when something may have made room. */
  #version = 0;
  /** Requests that had to wait, and the version at which they were last looked at. */
  readonly #refusedAt = new Map<number, number>();

  constructor(context: PolicyContext) {
    this.#context = context;
    this.#truths = context.blocks.map((_, replica) => context.truth(replica));
    this.#footprint = new CacheIndex(context.blocks.map(() => Number.POSITIVE_INFINITY));
    this.#depths = new Int32Array(context.replicas);
    this.#aheadSeconds = new Float64Array(context.replicas);
  }

  place(request: RoutedRequest, replicas: readonly ReplicaView[]): number | "hold" {
    // Everybody who waits is asked again at every change: most of them learn nothing.
    if (this.#refusedAt.get(request.id) === this.#version) return "hold";
    const session = this.#sessions.get(request.sessionId);
    const chunks = chunksOf(request);
    this.#footprint.writeDepths((chunk) => chunkKey(request, chunk), chunks, this.#depths);
    let hasPlace = false;
    const chosen = cheapest(replicas, this.#context.random, (replica) => {
      const fits = this.#fits(replica, chunks - this.#depths[replica]!);
      if (session === undefined && !fits) return Number.POSITIVE_INFINITY;
      hasPlace = true;
      return (
        this.#aheadSeconds[replica]! +
        this.#ownSeconds(request, replica) * (fits ? 1 : evictionFactor) +
        this.#truths[replica]!.outstandingSeconds() * sharedFactor
      );
    });
    if (chosen === "hold" || !hasPlace) {
      // While a replica is down, room may come with it, untold.
      const isWhole = replicas.every(({ healthy }) => healthy);
      if (isWhole) this.#refusedAt.set(request.id, this.#version);
      return "hold";
    }
    this.#refusedAt.delete(request.id);
    this.#book(request, chosen, session);
    return chosen;
  }

  onFirstToken(requestId: number): void {
    const its = this.#ahead.get(requestId);
    if (its === undefined) return;
    this.#ahead.delete(requestId);
    this.#aheadSeconds[its.replica]! -= its.seconds;
  }

  onEnded(requestId: number): void {
    // A request that failed had no first token.
    this.onFirstToken(requestId);
  }

  onSessionEnded(sessionId: string): void {
    const session = this.#sessions.get(sessionId);
    if (session === undefined) return;
    this.#forget(session);
    this.#sessions.delete(sessionId);
    this.#version += 1;
  }

  onReplicaLost(replica: number): void {
    for (const session of this.#sessions.values()) {
      if (session.replica === replica) this.#forget(session);
    }
    this.#version += 1;
  }

  /** An empty replica takes anybody: whoever is larger than its share must be served too. */
  #fits(replica: number, moreChunks: number): boolean {
    const used = this.#footprint.size(replica) * chunkBlocks;
    const room = this.#context.blocks[replica]! * admittedShareMax - used;
    return used === 0 || moreChunks * chunkBlocks <= room;
  }

  #ownSeconds({ chain, promptTokens }: RoutedRequest, replica: number): number {
    const truth = this.#truths[replica]!;
    const uncached = promptTokens - truth.cachedTokens(chain, promptTokens);
    return truth.prefillSeconds?.(uncached, promptTokens) ?? uncached * secondsPerTokenAssumed;
  }

  #book(request: RoutedRequest, replica: number, known: Session | undefined): void {
    const seconds = this.#ownSeconds(request, replica);
    this.#aheadSeconds[replica]! += seconds;
    this.#ahead.set(request.id, { replica, seconds });
    const session = known ?? { replica: undefined, request: undefined };
    this.#sessions.set(request.sessionId, session);
    if (session.replica !== replica) this.#version += 1;
    this.#forget(session);
    session.replica = replica;
    session.request = request;
    for (let chunk = 0; chunk < chunksOf(request); chunk++) {
      this.#footprint.add(replica, chunkKey(request, chunk));
    }
  }

  #forget(session: Session): void {
    const { replica, request } = session;
    session.replica = undefined;
    session.request = undefined;
    if (replica === undefined || request === undefined) return;
    for (let chunk = 0; chunk < chunksOf(request); chunk++) {
      this.#footprint.delete(replica, chunkKey(request, chunk));
    }
  }
}

/** Of the prompt and of the answer, whose length an oracle knows. */
function chunksOf({ chain, promptTokens, outputTokens = 0 }: RoutedRequest): number {
  return Math.floor((promptTokens + outputTokens) / (chain.blockTokens * chunkBlocks));
}

function chunkKey({ chain }: RoutedRequest, chunk: number): number {
  return chain.key((chunk + 1) * chunkBlocks - 1);
}
