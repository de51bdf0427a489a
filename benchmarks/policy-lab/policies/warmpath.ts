import {
  type Booking,
  type Claim,
  createWaitQueue,
  type Endpoint,
  type Lane,
  Placer,
  type PromptSummary,
  rankOf,
  type Service,
  type Started,
  serviceTokens,
  stopRest,
  toolRest,
  type WaitQueue,
} from "@warmpath/inference-proxy/policy";
import type { CacheEvent } from "../../engine/types.ts";
import { proxyDefaults } from "../../system/proxy-defaults.ts";
import type { GapKind, SloClass } from "../../workloads/types.ts";
import type {
  Policy,
  PolicyContext,
  PolicyRun,
  ReplicaView,
  RoutedRequest,
  RoutedUsage,
} from "../types.ts";

const {
  replicaInFlightMax: inFlightMax,
  queueRequestsMax,
  lanePassedOverMax,
  queueWaitMsMax,
  answerTokensExpected,
} = proxyDefaults;
/** `retry-after` of the proxy's refusals. */
const retryAfterMs = 1000;

/** Engine blocks that one key stands for: as coarse as the proxy's chunks of text. */
const chunkBlocks = 4;

const model = "lab";
const models: ReadonlySet<string> = new Set([model]);

const laneOf: Readonly<Record<SloClass, Lane>> = {
  interactive: "interactive",
  agent: "standard",
  batch: "batch",
};

/** What the proxy knows of caches. */
type Knowledge = "events" | "history";

/**
 * The proxy's own placement: the same functions in the same order as `call/placement.ts` there,
 * with the lab's clock, chance and replicas in place of sockets. Nobody tells it when a session
 * ends.
 */
export const warmpath: Policy = {
  name: "warmpath",
  source: "inference-proxy/src/policy.ts of this repository",
  about: "Our proxy: cost in seconds, sessions admitted by what they need cached; KV events.",
  start: (context) => new WarmpathRun(context, "events"),
};

/** The same before engines that publish no events. */
export const warmpathHistory: Policy = {
  name: "warmpath-history",
  source: warmpath.source,
  about: "Our proxy, knowing of caches only what it sent itself.",
  start: (context) => new WarmpathRun(context, "history"),
};

/** The same told a wrong capacity: `percent` of what each replica has. */
export function warmpathMisstated(percent: number): Policy {
  return {
    name: `warmpath-capacity-${percent}`,
    source: warmpath.source,
    about: `Our proxy before engines that state ${percent} % of the capacity that they have.`,
    start: (context) => new WarmpathRun(context, "events", percent / 100),
  };
}

/** One call of the proxy, as far as placement goes. */
interface Call {
  readonly request: RoutedRequest;
  readonly prompt: PromptSummary;
  readonly arrivedAtMs: number;
  place: { leave(): void } | undefined;
  seat: { readonly booking: Booking; readonly service: Service } | undefined;
}

class WarmpathRun implements PolicyRun {
  readonly #placer: Placer;
  readonly #queue: WaitQueue<Call> = createWaitQueue(
    {
      requestsMax: queueRequestsMax,
      bytesMax: Number.POSITIVE_INFINITY,
      passedOverMax: lanePassedOverMax,
    },
    // A client that is refused tries again: here, when the lab next asks.
    (call) => {
      call.place = undefined;
    },
  );
  readonly #knowledge: Knowledge;
  readonly #capacityFactor: number;
  readonly #calls = new Map<number, Call>();
  /** Ended turns whose session's rest is told right after them. */
  #ended: { call: Call; usage: RoutedUsage | undefined } | undefined;
  #endpoints: readonly Endpoint[] = [];
  #nowMs = 0;
  /** When the waiting were last looked at, if nothing has ended since. */
  #pumpedAtMs: number | undefined;

  constructor({ replicas, random }: PolicyContext, knowledge: Knowledge, capacityFactor = 1) {
    const names = Array.from({ length: replicas }, (_, replica) => String(replica));
    this.#placer = new Placer({ names, random });
    this.#knowledge = knowledge;
    this.#capacityFactor = capacityFactor;
    for (let replica = 0; replica < replicas; replica += 1) {
      this.#placer.belief.trusted(replica, knowledge === "events");
    }
  }

  place(
    request: RoutedRequest,
    replicas: readonly ReplicaView[],
    nowMs: number,
  ): number | "hold" | { readonly refuse: number } {
    this.#settleEnded();
    this.#nowMs = nowMs;
    this.#endpoints = replicas.map((view) => endpointOf(view, this.#capacityFactor));
    const call = this.#calls.get(request.id) ?? this.#open(request, nowMs);
    // Its turn came while another was asked for, and the replica died before it left.
    if (call.seat !== undefined && replicas[Number(call.seat.booking.endpoint)]?.healthy !== true) {
      this.#leaveSeat(call, undefined, stopRest);
    }
    if (call.seat !== undefined) return Number(call.seat.booking.endpoint);
    this.#placer.gate.newRound();
    if (call.place !== undefined) this.#pump(nowMs);
    else if (!this.#mayGoFirst(call) || this.#start(call) !== true) this.#wait(call);
    if (call.seat !== undefined)
      return Number((call.seat as { booking: Booking }).booking.endpoint);
    if (nowMs - call.arrivedAtMs < queueWaitMsMax) return "hold";
    call.place?.leave();
    this.#calls.delete(request.id);
    return { refuse: retryAfterMs };
  }

  onFirstToken(requestId: number, nowMs: number): void {
    this.#calls.get(requestId)?.seat?.booking.firstEvent(nowMs);
  }

  onEnded(requestId: number, nowMs: number, usage: RoutedUsage | undefined): void {
    this.#settleEnded();
    this.#nowMs = nowMs;
    const call = this.#calls.get(requestId);
    if (call === undefined) return;
    this.#calls.delete(requestId);
    this.#ended = { call, usage };
  }

  /**
   * The proxy sees it in the answer: it asks for tools (a stream does not say which), or is final.
   */
  onPause(sessionId: string, kind: GapKind): void {
    if (this.#ended?.call.request.sessionId !== sessionId) return;
    this.#settleEnded(kind === "human" ? stopRest : toolRest);
  }

  /** Tells the gate nothing, as nobody would tell the proxy: only who still waited has gone. */
  onSessionEnded(sessionId: string): void {
    for (const [id, call] of this.#calls) {
      if (call.seat === undefined && call.request.sessionId === sessionId) {
        call.place?.leave();
        this.#calls.delete(id);
      }
    }
  }

  onCacheEvents(replica: number, events: readonly CacheEvent[]): void {
    if (this.#knowledge === "history") return;
    const { belief } = this.#placer;
    for (const event of events) {
      if (event.type === "removed") belief.removed(replica, [event.key]);
      else if (event.type === "cleared") belief.cleared(replica);
      else belief.stored(replica, event.keys);
    }
  }

  onReplicaLost(replica: number): void {
    this.#placer.lose(replica);
    this.#pumpedAtMs = undefined;
  }

  #open(request: RoutedRequest, nowMs: number): Call {
    const call: Call = {
      request,
      prompt: promptOf(request),
      arrivedAtMs: nowMs,
      place: undefined,
      seat: undefined,
    };
    this.#calls.set(request.id, call);
    return call;
  }

  /** A newcomer never overtakes those who wait; an admitted session has its place already. */
  #mayGoFirst({ prompt }: Call): boolean {
    return !this.#queue.hasWaiting(model) || this.#placer.isAdmitted(prompt);
  }

  /** The lab asks for each of those who wait: while nothing has changed one look is enough. */
  #pump(nowMs: number): void {
    if (nowMs === this.#pumpedAtMs) return;
    this.#pumpedAtMs = nowMs;
    this.#queue.pump((waiting) => this.#start(waiting));
  }

  #start(call: Call): Started {
    const summary = { model, excluded: noneExcluded, prompt: call.prompt };
    const placed = this.#placer.place(this.#endpoints, summary, this.#nowMs);
    if (!("booking" in placed)) return placed.reason === "no-room" ? placed.reason : false;
    const expected = serviceTokens(call.request.promptTokens, answerTokensExpected);
    const service = this.#queue.serve(claimOf(call.request), expected);
    call.seat = { booking: placed.booking, service };
    call.place = undefined;
    return true;
  }

  /** A full queue refuses, and the client tries again: here, when the lab next asks. */
  #wait(call: Call): void {
    const rank = rankOf(call.arrivedAtMs, this.#placer.uncachedTokens(call.prompt));
    call.place = this.#queue.join({ ...claimOf(call.request), rank, bytes: 0, item: call });
  }

  #settleEnded(rest = stopRest): void {
    if (this.#ended === undefined) return;
    const { call, usage } = this.#ended;
    this.#ended = undefined;
    this.#pumpedAtMs = undefined;
    this.#leaveSeat(call, usage, rest);
  }

  #leaveSeat(call: Call, usage: RoutedUsage | undefined, rest: string): void {
    const tokens = usage ?? nothingUsed;
    const served = serviceTokens(tokens.promptTokens - tokens.cachedTokens, tokens.outputTokens);
    call.seat?.booking.release({ ...(usage && { usage }), rest }, this.#nowMs);
    call.seat?.service.settle(served);
    call.seat = undefined;
  }
}

const nothingUsed: RoutedUsage = { promptTokens: 0, cachedTokens: 0, outputTokens: 0 };
const noneExcluded: ReadonlySet<string> = new Set();

function claimOf({ sloClass, tenant }: RoutedRequest): Claim {
  return { lane: laneOf[sloClass], group: model, tenant };
}

function endpointOf(
  { index, healthy, blocks, blockTokens }: ReplicaView,
  capacityFactor: number,
): Endpoint {
  return {
    name: String(index),
    healthy,
    unhealthyReason: healthy ? "" : "died",
    models,
    inFlightMax,
    // One router, which counts for itself: it has nothing to learn from a scrape.
    engineRunning: undefined,
    engineWaiting: undefined,
    kvTokens: Math.round(blocks * blockTokens * capacityFactor),
  };
}

/**
 * Keys of blocks are what hashes of bytes are to the proxy: equal key, equal prompt up to there.
 */
function promptOf({ chain, promptTokens, sessionId }: RoutedRequest): PromptSummary {
  const chunkTokens = chain.blockTokens * chunkBlocks;
  // An engine computes at least the last token: a chunk that ends the prompt is no hit.
  const chunks = Math.floor((promptTokens - 1) / chunkTokens);
  const keys = new Float64Array(chunks);
  for (let chunk = 0; chunk < chunks; chunk += 1) {
    keys[chunk] = chain.key((chunk + 1) * chunkBlocks - 1);
  }
  const slash = sessionId.lastIndexOf("/");
  const parentId = slash < 0 ? undefined : sessionId.slice(0, slash);
  return { keys, chunks, chunkTokens, promptTokens, isExact: true, sessionId, parentId };
}
