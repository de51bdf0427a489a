import {
  type Booking,
  createPrograms,
  createWaitQueue,
  type Endpoint,
  type Lane,
  Placer,
  type PromptSummary,
  rankOf,
  type Service,
  serviceTokens,
  stopRest,
} from "@warmpath/inference-proxy/policy";
import type { Random } from "@warmpath/runtime/base";
import type { BlockChain } from "../engine/types.ts";
import { proxyDefaults } from "../system/proxy-defaults.ts";

const {
  replicaInFlightMax: inFlightMax,
  queueRequestsMax,
  lanePassedOverMax,
  queueWaitMsMax,
  answerTokensExpected,
  programsMax,
} = proxyDefaults;

/** The waiting look again this often though nothing ended, as in the proxy. */
export const lookAgainMs = 100;

/** Engine blocks that one key stands for: as coarse as the proxy's chunks of text. */
const chunkBlocks = 4;
const model = "lab";
const models: ReadonlySet<string> = new Set([model]);
const noneExcluded: ReadonlySet<string> = new Set();

/** One call on its way through the proxy. */
export interface ProxyCall {
  readonly id: number;
  readonly tenant: string;
  /** The agent's job that it belongs to. */
  readonly program: string;
  readonly lane: Lane;
  readonly chain: BlockChain;
  readonly promptTokens: number;
}

/** What the proxy does with a call. */
export interface ProxyEffects<Call> {
  /** Sends it to a replica. */
  send(call: Call, replica: number): void;
  /** Refuses it: the queue has no room for it, or it has waited for too long. */
  refuse(call: Call): void;
}

/** The queue and the placement of the proxy, in the caller's time. */
export interface VirtualProxy<Call extends ProxyCall> {
  readonly waiting: number;
  arrive(call: Call, nowMs: number): void;
  /** The first event of a stream. */
  firstEvent(call: Call, nowMs: number): void;
  ended(call: Call, usage: { cachedTokens: number; outputTokens: number }, nowMs: number): void;
  /** Lets all who wait look again, and refuses those whose time is over. */
  lookAgain(nowMs: number): void;
}

interface Waiter<Call> {
  readonly call: Call;
  readonly prompt: PromptSummary;
  readonly sinceMs: number;
  place: { leave(): boolean } | undefined;
}

interface Seat {
  readonly booking: Booking;
  readonly service: Service;
}

/**
 * The same functions in the same order as the proxy's `call/placement.ts`: a newcomer goes at once
 * where nobody waits, else it joins the queue, which is offered every place that comes free. Before
 * engines that tell no cache events.
 */
export function createVirtualProxy<Call extends ProxyCall>(
  fleet: {
    readonly replicas: number;
    readonly kvTokens: number;
    readonly random: Random;
    readonly programDelayMsMax: number;
  },
  effects: ProxyEffects<Call>,
): VirtualProxy<Call> {
  const endpoints = Array.from({ length: fleet.replicas }, (_, replica) =>
    endpointOf(replica, fleet.kvTokens),
  );
  const placer = new Placer({ names: endpoints.map(({ name }) => name), random: fleet.random });
  const programs = createPrograms({ programsMax, delayMsMax: fleet.programDelayMsMax });
  const isSaturated = () => endpoints.every(({ name }) => placer.inFlight(name) >= inFlightMax);
  const waiters = new Set<Waiter<Call>>();
  const seats = new Map<number, Seat>();
  const leave = (waiter: Waiter<Call>) => {
    waiters.delete(waiter);
    effects.refuse(waiter.call);
  };
  const queue = createWaitQueue<Waiter<Call>>(
    { requestsMax: queueRequestsMax, bytesMax: Infinity, passedOverMax: lanePassedOverMax },
    leave,
  );

  const start = ({ call, prompt }: Waiter<Call>, nowMs: number): boolean => {
    const placed = placer.place(endpoints, { model, excluded: noneExcluded, prompt }, nowMs);
    if (!("booking" in placed)) return false;
    const { lane, tenant, promptTokens } = call;
    const expected = serviceTokens(promptTokens, answerTokensExpected);
    const service = queue.serve({ group: model, lane, tenant }, expected);
    seats.set(call.id, { booking: placed.booking, service });
    effects.send(call, Number(placed.booking.endpoint));
    return true;
  };
  const pump = (nowMs: number): void =>
    queue.pump((waiter) => {
      const isStarted = start(waiter, nowMs);
      if (isStarted) waiters.delete(waiter);
      return isStarted;
    });

  return {
    get waiting() {
      return queue.length;
    },
    arrive: (call, nowMs) => {
      const prompt = promptOf(call);
      const waiter: Waiter<Call> = { call, prompt, sinceMs: nowMs, place: undefined };
      if (!queue.hasWaiting(model) && start(waiter, nowMs)) return;
      const { lane, tenant, program } = call;
      const delayMs = isSaturated() ? programs.delayMs(tenant, program, nowMs) : 0;
      const rank = rankOf(nowMs, placer.uncachedTokens(prompt)) + delayMs;
      waiter.place = queue.join({ lane, group: model, tenant, rank, bytes: 0, item: waiter });
      if (waiter.place === undefined) effects.refuse(call);
      else waiters.add(waiter);
    },
    firstEvent: ({ id }, nowMs) => seats.get(id)?.booking.firstEvent(nowMs),
    ended: ({ id, tenant, program, promptTokens }, { cachedTokens, outputTokens }, nowMs) => {
      const seat = seats.get(id);
      seats.delete(id);
      const usage = { promptTokens, cachedTokens };
      seat?.booking.release({ usage, rest: stopRest }, nowMs);
      const tokens = serviceTokens(promptTokens - cachedTokens, outputTokens);
      seat?.service.settle(tokens);
      programs.served(tenant, program, tokens, nowMs);
      pump(nowMs);
    },
    lookAgain: (nowMs) => {
      for (const waiter of waiters) {
        if (nowMs - waiter.sinceMs < queueWaitMsMax) break;
        waiter.place?.leave();
        leave(waiter);
      }
      pump(nowMs);
    },
  };
}

function endpointOf(replica: number, kvTokens: number): Endpoint {
  return {
    name: String(replica),
    healthy: true,
    unhealthyReason: "",
    models,
    inFlightMax,
    engineRunning: undefined,
    engineWaiting: undefined,
    kvTokens,
  };
}

/** Keys of blocks are what hashes of bytes are to the proxy. */
function promptOf({ id, chain, promptTokens }: ProxyCall): PromptSummary {
  const chunkTokens = chain.blockTokens * chunkBlocks;
  const chunks = Math.floor((promptTokens - 1) / chunkTokens);
  const keys = Float64Array.from({ length: chunks }, (_, chunk) =>
    chain.key((chunk + 1) * chunkBlocks - 1),
  );
  const sessionId = `s${id}`;
  return { keys, chunks, chunkTokens, promptTokens, isExact: true, sessionId, parentId: undefined };
}
