import { assert, type Random } from "@warmpath/runtime/base";
import { CacheBelief } from "../cache-index/index.ts";
import { PrefillRates } from "../learn/index.ts";
import {
  type AdmittedTurn,
  type GateOptions,
  SessionGate,
  type Standing,
} from "../sessions/index.ts";
import { costOf } from "./cost.ts";
import { furtherOf, isOut, refusalOf } from "./eligible.ts";
import { type BookedLoad, Load } from "./load.ts";
import { Snapshot } from "./snapshot.ts";
import type {
  Booking,
  BookingEnd,
  Candidate,
  Endpoint,
  NoEndpoint,
  Placed,
  Placing,
  PromptSummary,
  RequestSummary,
} from "./types.ts";

/** What is believed of one request before a replica is chosen. */
interface Considered {
  readonly request: RequestSummary;
  readonly standing: Standing;
}

/** A booked request, until its end. */
interface Booked {
  readonly replica: number;
  readonly prompt: PromptSummary;
  readonly load: BookedLoad;
  readonly turn: AdmittedTurn;
  readonly sentAtMs: number;
  readonly cachedTokensExpected: number;
  /** True when nobody's prefill was ahead: its first event tells what prefill takes. */
  readonly isAlone: boolean;
  firstEventSeconds: number | undefined;
  isReleased: boolean;
}

/** Beyond so many endpoints a snapshot for each decision costs more than the decision. */
const keptEndpointsMax = 64;

/** Sessions are accounted in chunks of at least so many tokens: finer ones only cost time. */
const gateChunkTokensMin = 64;

/**
 * Chooses the replica for each request and books it there, in one synchronous step: nobody can
 * choose by a count that is already old. Replicas are the endpoints, in an order that never
 * changes.
 *
 * Pure: time and chance are handed in. Cost per choice: one walk along the prompt's keys, and one
 * pass over the replicas.
 */
export class Placer implements Placing {
  readonly belief: CacheBelief;
  readonly gate: SessionGate;
  readonly #random: Random;
  readonly #load: Load;
  readonly #rates: PrefillRates;
  readonly #depths: Int32Array;
  readonly #kvTokens: (number | undefined)[];
  readonly #names: readonly string[];

  constructor(options: {
    readonly names: readonly string[];
    readonly random: Random;
    readonly gate?: GateOptions;
  }) {
    const replicas = options.names.length;
    this.#names = options.names;
    this.#random = options.random;
    this.belief = new CacheBelief(replicas);
    this.gate = new SessionGate(replicas, options.gate);
    this.#load = new Load(replicas);
    this.#rates = new PrefillRates(replicas);
    this.#depths = new Int32Array(replicas);
    this.#kvTokens = options.names.map(() => undefined);
  }

  /** Requests of this proxy at an endpoint, right now. */
  inFlight(endpoint: string): number {
    const replica = this.#names.indexOf(endpoint);
    return replica < 0 ? 0 : this.#load.requests[replica]!;
  }

  /** True when the session has its place already, and waits for no room. */
  isAdmitted({ sessionId, parentId }: PromptSummary): boolean {
    return this.gate.isAdmitted(sessionId, parentId);
  }

  /** Tokens of the prompt that no replica is believed to have cached. */
  uncachedTokens(prompt: PromptSummary): number {
    this.belief.writeDepths(prompt, this.#depths);
    const cached = this.#depths.reduce(
      (most, _, replica) => Math.max(most, this.#cachedTokens(prompt, replica)),
      0,
    );
    return prompt.promptTokens - cached;
  }

  /** Chooses and books, or says why nobody can take the request now. */
  place(endpoints: readonly Endpoint[], request: RequestSummary, nowMs: number): Placed {
    const considered = this.#consider(endpoints, request, nowMs);
    const count = endpoints.length;
    const kept = count <= keptEndpointsMax ? new Snapshot(endpoints) : undefined;
    let best = -1;
    let bestSeconds = Number.POSITIVE_INFINITY;
    let reason: NoEndpoint = "unknown-model";
    // Equals are taken in random turn, so that several proxies do not agree on one.
    const start = Math.floor(this.#random.next() * count);
    for (let step = 0; step < count; step += 1) {
      const replica = start + step < count ? start + step : start + step - count;
      const refusal = this.#refusal(endpoints, considered, replica);
      const seconds =
        refusal === undefined || kept !== undefined
          ? this.#seconds(considered, replica, kept)
          : Number.POSITIVE_INFINITY;
      if (refusal !== undefined) {
        kept?.refuse(replica, refusal);
        reason = furtherOf(reason, refusal);
      } else if (
        best < 0 ||
        seconds < bestSeconds ||
        (seconds === bestSeconds && this.#isIdler(replica, best))
      ) {
        best = replica;
        bestSeconds = seconds;
      }
    }
    if (best < 0) {
      if (reason === "no-room") {
        this.gate.noteWaiting();
      }
      return { reason };
    }
    const consider = kept && (() => kept.candidates());
    return { booking: this.#book(request.prompt, best, nowMs), consider };
  }

  /** What `place` would compare now, best first, the refused ones last. Books nothing. */
  explain(
    endpoints: readonly Endpoint[],
    request: RequestSummary,
    nowMs: number,
  ): readonly Candidate[] {
    const considered = this.#consider(endpoints, request, nowMs);
    const kept = new Snapshot(endpoints);
    for (let replica = 0; replica < endpoints.length; replica += 1) {
      this.#seconds(considered, replica, kept);
      const refusal = this.#refusal(endpoints, considered, replica);
      if (refusal !== undefined) {
        kept.refuse(replica, refusal);
      }
    }
    return kept.candidates();
  }

  /** The replica lost what it had cached, or died. */
  lose(replica: number): void {
    this.belief.cleared(replica);
    this.gate.lose(replica);
  }

  #consider(endpoints: readonly Endpoint[], request: RequestSummary, nowMs: number): Considered {
    assert(endpoints.length === this.#names.length, "replicas neither come nor go");
    this.#takeInCapacities(endpoints);
    this.belief.writeDepths(request.prompt, this.#depths);
    const standing = this.gate.consider(turnOf(request.prompt), nowMs);
    const { home } = standing;
    // Sessions are moved away from where they cannot stay: they had their place.
    return home !== undefined && isOut(endpoints[home]!, request.model)
      ? { request, standing: { ...standing, isDisplaced: true } }
      : { request, standing };
  }

  #takeInCapacities(endpoints: readonly Endpoint[]): void {
    for (let replica = 0; replica < endpoints.length; replica += 1) {
      const { kvTokens } = endpoints[replica]!;
      if (kvTokens !== undefined && kvTokens !== this.#kvTokens[replica]) {
        this.#kvTokens[replica] = kvTokens;
        this.gate.setCapacity(replica, kvTokens);
        this.belief.setCapacity(replica, kvTokens);
      }
    }
  }

  #refusal(
    endpoints: readonly Endpoint[],
    { request, standing }: Considered,
    replica: number,
  ): NoEndpoint | undefined {
    const refusal = refusalOf(endpoints[replica]!, this.#load.requests[replica]!, request);
    if (refusal !== undefined) {
      return refusal;
    }
    const { home, isDisplaced } = standing;
    // A retry had its place already; whoever lost its home with a replica does not wait again.
    const isFree = isDisplaced || request.excluded.size > 0 || home === replica;
    return isFree || this.gate.hasRoom(replica) ? undefined : "no-room";
  }

  /** What choosing the replica would cost; notes in `kept` what it is made of. */
  #seconds({ request, standing }: Considered, replica: number, kept: Snapshot | undefined): number {
    const { prompt } = request;
    const { promptTokens } = prompt;
    const { home, isFirm } = standing;
    const cached = this.#cachedTokens(prompt, replica);
    const ahead = this.#load.aheadSeconds[replica]!;
    const own = this.#rates.seconds(replica, promptTokens - cached, promptTokens);
    const inFlight = this.#load.requests[replica]!;
    let left = 0;
    if (home !== undefined && home !== replica && isFirm) {
      const leftTokens = this.#cachedTokens(prompt, home) - cached;
      left = leftTokens > 0 ? this.#rates.seconds(replica, leftTokens, promptTokens) : 0;
    }
    kept?.keep(replica, ahead, own, inFlight, left);
    return costOf(ahead, own, inFlight, left);
  }

  /** An engine computes at least the last token, whatever it holds. */
  #cachedTokens({ chunkTokens, promptTokens }: PromptSummary, replica: number): number {
    return Math.max(0, Math.min(this.#depths[replica]! * chunkTokens, promptTokens - 1));
  }

  #isIdler(replica: number, other: number): boolean {
    return this.#load.requests[replica]! < this.#load.requests[other]!;
  }

  #book(prompt: PromptSummary, replica: number, nowMs: number): Booking {
    const cachedTokensExpected = this.#cachedTokens(prompt, replica);
    const { promptTokens } = prompt;
    const own = this.#rates.seconds(replica, promptTokens - cachedTokensExpected, promptTokens);
    const isAlone = this.#load.aheadSeconds[replica] === 0;
    const booked: Booked = {
      replica,
      prompt,
      load: this.#load.book(replica, own),
      turn: this.gate.admit(turnOf(prompt), replica),
      sentAtMs: nowMs,
      cachedTokensExpected,
      isAlone,
      firstEventSeconds: undefined,
      isReleased: false,
    };
    this.belief.sent(replica, prompt, nowMs);
    return {
      endpoint: this.#names[replica]!,
      cachedTokensExpected,
      firstEvent: (atMs) => {
        booked.load.firstEvent();
        booked.firstEventSeconds ??= (atMs - booked.sentAtMs) / 1000;
      },
      release: (end, atMs) => this.#release(booked, end, atMs),
    };
  }

  #release(booked: Booked, end: BookingEnd, nowMs: number): void {
    if (booked.isReleased) {
      return;
    }
    booked.isReleased = true;
    booked.load.end();
    const { replica, firstEventSeconds, isAlone, cachedTokensExpected } = booked;
    const cachedTokens = end.usage?.cachedTokens;
    const promptTokens = end.usage?.promptTokens;
    this.gate.end(booked.turn, { cachedTokens, promptTokens, rest: end.rest }, nowMs);
    if (promptTokens === undefined || cachedTokens === undefined) {
      return;
    }
    // What was expected was counted in our estimate of the prompt.
    const scale = promptTokens / Math.max(1, booked.prompt.promptTokens);
    this.belief.audit(replica, cachedTokensExpected * scale, cachedTokens);
    if (isAlone && firstEventSeconds !== undefined) {
      const uncachedTokens = Math.max(0, promptTokens - cachedTokens);
      this.#rates.learn(replica, { firstEventSeconds, promptTokens, uncachedTokens });
    }
  }
}

function turnOf({ keys, chunks, chunkTokens, sessionId, parentId }: PromptSummary) {
  const stride = Math.max(1, Math.ceil(gateChunkTokensMin / Math.max(1, chunkTokens)));
  return {
    sessionId,
    parentId,
    keys: stride === 1 ? keys : everyNth(keys, chunks, stride),
    chunks: Math.floor(chunks / stride),
    chunkTokens: chunkTokens * stride,
  };
}

/** Keys are chained: the last of a group stands for all of it. */
function everyNth(keys: ArrayLike<number>, count: number, stride: number): Float64Array {
  const some = new Float64Array(Math.floor(count / stride));
  for (let index = 0; index < some.length; index += 1) {
    some[index] = keys[(index + 1) * stride - 1]!;
  }
  return some;
}
