import type { Policy, PolicyContext, PolicyRun, ReplicaView, RoutedRequest } from "../types.ts";
import { cheapest } from "./shared/choose.ts";
import { CountedIndex } from "./shared/counted-index.ts";

/** Where the lab cannot tell: 8B on one H100, per uncached token. */
const secondsPerTokenAssumed = 21e-6;
/** Engine blocks that one key of a session's footprint stands for: they are only counted. */
const chunkBlocks = 4;
/** Share of a replica's KV that admitted sessions may fill: what is left takes their next turns. */
const fullAt = Number(process.env["OF"] ?? 0.95);
const W = Number(process.env["OW"] ?? 0.1);
const K = Number(process.env["OK"] ?? 1);

/**
 * Perfect knowledge of caches and outstanding work. A turn goes where its first token would come
 * first: seconds of prefill that are ahead of it there, seconds of its own truly uncached tokens,
 * and as many again where they would push out what admitted sessions need. New sessions wait while
 * the exact union of the admitted ones' blocks fills every replica.
 */
export const oracle: Policy = {
  name: "oracle",
  source: "this lab: PolicyContext.truth",
  about:
    "True backlog + seconds to prefill what is truly not cached; admits sessions by their exact blocks.",
  isOracle: true,
  start: (context) => new OracleRun(context),
};

interface Session {
  replica: number | undefined;
  /** Chunks accounted on `replica`: keys of its longest turn so far. */
  request: RoutedRequest | undefined;
  chunks: number;
}

class OracleRun implements PolicyRun {
  readonly #context: PolicyContext;
  readonly #truths;
  readonly #footprint: CountedIndex;
  readonly #depths: Int32Array;
  readonly #sessions = new Map<string, Session>();
  readonly #prefillSeconds: Float64Array;
  readonly #ahead = new Map<number, { readonly replica: number; readonly seconds: number }>();

  constructor(context: PolicyContext) {
    this.#context = context;
    this.#truths = context.blocks.map((_, replica) => context.truth(replica));
    this.#footprint = new CountedIndex(context.blocks.map(() => Number.POSITIVE_INFINITY));
    this.#depths = new Int32Array(context.replicas);
    this.#prefillSeconds = new Float64Array(context.replicas);
  }

  place(request: RoutedRequest, replicas: readonly ReplicaView[]): number | "hold" {
    const session = this.#sessions.get(request.sessionId);
    const isAdmitted = session !== undefined;
    const chunks = chunksOf(request);
    this.#footprint.writeDepths((chunk) => chunkKey(request, chunk), chunks, this.#depths);
    let anyRoom = false;
    const chosen = cheapest(replicas, this.#context.random, (replica) => {
      const room = this.#context.blocks[replica]! * fullAt - this.#footprint.size(replica) * chunkBlocks;
      const more = (chunks - this.#depths[replica]!) * chunkBlocks;
      const fits = more <= room || this.#footprint.size(replica) === 0;
      if (!isAdmitted && !fits) return Number.MAX_VALUE;
      anyRoom = true;
      const own = this.#own(request, replica);
      return this.#prefillSeconds[replica]! + own * (fits ? 1 : 1 + K) + W * this.#truths[replica]!.outstandingSeconds();
    });
    if (chosen === "hold" || (!isAdmitted && !anyRoom)) return "hold";
    this.#book(request, chosen, session);
    return chosen;
  }

  onFirstToken(requestId: number): void {
    const its = this.#ahead.get(requestId);
    if (its === undefined) return;
    this.#ahead.delete(requestId);
    this.#prefillSeconds[its.replica]! -= its.seconds;
  }

  onEnded(requestId: number): void {
    this.onFirstToken(requestId);
  }

  onSessionEnded(sessionId: string): void {
    const session = this.#sessions.get(sessionId);
    if (session === undefined) return;
    this.#forget(session);
    this.#sessions.delete(sessionId);
  }

  onReplicaLost(replica: number): void {
    for (const session of this.#sessions.values()) if (session.replica === replica) this.#forget(session);
  }

  #own({ chain, promptTokens }: RoutedRequest, replica: number): number {
    const truth = this.#truths[replica]!;
    const uncached = promptTokens - truth.cachedTokens(chain, promptTokens);
    return truth.prefillSeconds?.(uncached, promptTokens) ?? uncached * secondsPerTokenAssumed;
  }

  #book(request: RoutedRequest, replica: number, known: Session | undefined): void {
    const seconds = this.#own(request, replica);
    this.#prefillSeconds[replica]! += seconds;
    this.#ahead.set(request.id, { replica, seconds });
    const session = known ?? { replica: undefined, request: undefined, chunks: 0 };
    this.#sessions.set(request.sessionId, session);
    this.#forget(session);
    session.replica = replica;
    session.request = request;
    session.chunks = chunksOf(request);
    for (let chunk = 0; chunk < session.chunks; chunk++) {
      this.#footprint.add(replica, chunkKey(request, chunk));
    }
  }

  #forget(session: Session): void {
    const { replica, request, chunks } = session;
    if (replica === undefined || request === undefined) return;
    for (let chunk = 0; chunk < chunks; chunk++) {
      this.#footprint.delete(replica, chunkKey(request, chunk));
    }
    session.replica = undefined;
    session.request = undefined;
  }
}

/** Of the prompt and of the answer, whose length an oracle knows. */
function chunksOf({ chain, promptTokens, outputTokens = 0 }: RoutedRequest): number {
  return Math.floor((promptTokens + outputTokens) / (chain.blockTokens * chunkBlocks));
}

function chunkKey({ chain }: RoutedRequest, chunk: number): number {
  return chain.key((chunk + 1) * chunkBlocks - 1);
}
