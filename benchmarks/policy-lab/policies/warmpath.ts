import {
  type Bookings,
  createBookings,
  createPrefixMemory,
  createWaitQueue,
  type Endpoint,
  type Lane,
  type WaitQueue,
} from "@warmpath/inference-proxy/policy";
import type { SloClass } from "../../workloads/types.ts";
import type { Policy, PolicyContext, PolicyRun, ReplicaView, RoutedRequest } from "../types.ts";

// The proxy's defaults (inference-proxy/src/config.ts): WARMPATH_REPLICA_IN_FLIGHT_MAX,
// WARMPATH_PROXY_QUEUE_REQUESTS_MAX, WARMPATH_PROXY_LANE_PASSED_OVER_MAX and
// WARMPATH_PROXY_PREFIX_ENTRIES_MAX.
const inFlightMax = 256;
const queueRequestsMax = 1024;
const lanePassedOverMax = 8;
const prefixEntriesMax = 65_536;

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
  booking: { readonly endpoint: string; release(): void } | undefined;
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
    if (call.booking !== undefined && replicas[Number(call.booking.endpoint)]?.healthy !== true) {
      call.booking.release();
      call.booking = undefined;
    }
    if (call.isWaiting) this.#queue.pump((waiting) => this.#start(waiting));
    // A newcomer never overtakes those who wait.
    else if (call.booking === undefined && (this.#queue.hasWaiting(model) || !this.#start(call))) {
      const { sloClass } = request;
      const waiting = { lane: laneOf[sloClass], group: model, bytes: 0, item: call };
      // A full queue refuses, and the client tries again: here, when the lab next asks.
      call.isWaiting = this.#queue.join(waiting) !== undefined;
    }
    return call.booking === undefined ? "hold" : Number(call.booking.endpoint);
  }

  onFirstToken(requestId: number): void {
    const call = this.#calls.get(requestId);
    if (call?.booking !== undefined) this.#prefixes.remember(call.chain, call.booking.endpoint);
  }

  onEnded(requestId: number): void {
    this.#calls.get(requestId)?.booking?.release();
    this.#calls.delete(requestId);
  }

  #open(request: RoutedRequest): Call {
    const call: Call = { request, chain: chainOf(request), isWaiting: false, booking: undefined };
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
    call.booking = picked.booking;
    call.isWaiting = false;
    return true;
  }
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
