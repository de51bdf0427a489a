import {
  type Booking,
  type Bookings,
  type Claim,
  createBookings,
  createPrefixMemory,
  createWaitQueue,
  type Endpoint,
  type Lane,
  type Service,
  serviceTokens,
  type WaitQueue,
} from "@warmpath/inference-proxy/policy";
import type { SloClass } from "../../workloads/types.ts";
import type {
  Policy,
  PolicyContext,
  PolicyRun,
  ReplicaView,
  RoutedRequest,
  RoutedUsage,
} from "../types.ts";

// The proxy's defaults (inference-proxy/src/config.ts): WARMPATH_REPLICA_IN_FLIGHT_MAX,
// WARMPATH_PROXY_QUEUE_REQUESTS_MAX, WARMPATH_PROXY_LANE_PASSED_OVER_MAX,
// WARMPATH_PROXY_PREFIX_ENTRIES_MAX and WARMPATH_PROXY_ANSWER_TOKENS_EXPECTED.
const inFlightMax = 256;
const queueRequestsMax = 1024;
const lanePassedOverMax = 8;
const prefixEntriesMax = 65_536;
const answerTokensExpected = 512;

const model = "lab";
const models: ReadonlySet<string> = new Set([model]);

const laneOf: Readonly<Record<SloClass, Lane>> = {
  interactive: "interactive",
  agent: "standard",
  batch: "batch",
};

/**
 * The proxy's own placement: the same functions in the same order as `call/placement.ts` and
 * `call/open-call.ts` there, with the lab's clock, chance and replicas in place of sockets.
 */
export const warmpath: Policy = {
  name: "warmpath",
  source: "inference-proxy/src/policy.ts of this repository",
  about: "What our proxy does today: least requests in flight, a warm prefix between equals.",
  start: (context) => new WarmpathRun(context),
};

/** One call of the proxy, as far as placement goes. */
interface Call {
  readonly request: RoutedRequest;
  /** The chained hashes of the prompt, up to and including each of its full blocks. */
  readonly chain: readonly bigint[];
  isWaiting: boolean;
  seat: { readonly booking: Booking; readonly service: Service } | undefined;
}

class WarmpathRun implements PolicyRun {
  readonly #bookings: Bookings;
  readonly #prefixes = createPrefixMemory({ entriesMax: prefixEntriesMax });
  readonly #queue: WaitQueue<Call> = createWaitQueue({
    requestsMax: queueRequestsMax,
    bytesMax: Number.POSITIVE_INFINITY,
    passedOverMax: lanePassedOverMax,
  });
  readonly #calls = new Map<number, Call>();
  #endpoints: readonly Endpoint[] = [];

  constructor({ random }: PolicyContext) {
    this.#bookings = createBookings({ random });
  }

  place(request: RoutedRequest, replicas: readonly ReplicaView[]): number | "hold" {
    this.#endpoints = replicas.map(endpointOf);
    const call = this.#calls.get(request.id) ?? this.#open(request);
    // Its turn came while another was asked for, and the replica died before it left.
    if (call.seat !== undefined && replicas[Number(call.seat.booking.endpoint)]?.healthy !== true) {
      leaveSeat(call, 0);
    }
    if (call.isWaiting) this.#queue.pump((waiting) => this.#start(waiting));
    // A newcomer never overtakes those who wait.
    else if (call.seat === undefined && (this.#queue.hasWaiting(model) || !this.#start(call))) {
      // A full queue refuses, and the client tries again: here, when the lab next asks.
      const waiting = { ...claimOf(request), bytes: 0, item: call };
      call.isWaiting = this.#queue.join(waiting) !== undefined;
    }
    return call.seat === undefined ? "hold" : Number(call.seat.booking.endpoint);
  }

  onFirstToken(requestId: number): void {
    const call = this.#calls.get(requestId);
    if (call?.seat !== undefined) this.#prefixes.remember(call.chain, call.seat.booking.endpoint);
  }

  onEnded(requestId: number, _nowMs: number, usage: RoutedUsage | undefined): void {
    const call = this.#calls.get(requestId);
    if (call === undefined) return;
    const { promptTokens, cachedTokens, outputTokens } = usage ?? nothingUsed;
    leaveSeat(call, serviceTokens(promptTokens - cachedTokens, outputTokens));
    this.#calls.delete(requestId);
  }

  #open(request: RoutedRequest): Call {
    const call: Call = { request, chain: chainOf(request), isWaiting: false, seat: undefined };
    this.#calls.set(request.id, call);
    return call;
  }

  #start(call: Call): boolean {
    const picked = this.#bookings.pickAndBook(this.#endpoints, {
      model,
      excluded: new Set(),
      warmOn: this.#prefixes.recall(call.chain)?.replica,
    });
    if (!("booking" in picked)) return false;
    const expected = serviceTokens(call.request.promptTokens, answerTokensExpected);
    const service = this.#queue.serve(claimOf(call.request), expected);
    call.seat = { booking: picked.booking, service };
    call.isWaiting = false;
    return true;
  }
}

const nothingUsed: RoutedUsage = { promptTokens: 0, cachedTokens: 0, outputTokens: 0 };

function leaveSeat(call: Call, tokensServed: number): void {
  call.seat?.booking.release();
  call.seat?.service.settle(tokensServed);
  call.seat = undefined;
}

function claimOf({ sloClass, tenant }: RoutedRequest): Claim {
  return { lane: laneOf[sloClass], group: model, tenant };
}

function endpointOf({ index, healthy, running, waiting }: ReplicaView): Endpoint {
  return {
    name: String(index),
    healthy,
    unhealthyReason: healthy ? "" : "died",
    models,
    inFlightMax,
    engineRunning: running,
    engineWaiting: waiting,
  };
}

/** Block keys are what hashes of messages are to the proxy: equal key, equal prompt up to there. */
function chainOf({ chain, promptTokens }: RoutedRequest): readonly bigint[] {
  const blocks = Math.floor(promptTokens / chain.blockTokens);
  return Array.from({ length: blocks }, (_, index) => BigInt(chain.key(index)));
}
