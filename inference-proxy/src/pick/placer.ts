import { assert, type Random } from "@warmpath/runtime/base";
import { CacheBelief } from "../cache-index/index.ts";
import { PrefillRates } from "../learn/index.ts";
import {
  type AdmittedTurn,
  failedRest,
  type GateOptions,
  SessionGate,
  type SessionTurn,
  type Standing,
} from "../sessions/index.ts";
import { Adapters } from "./adapters.ts";
import { BestFew } from "./best-few.ts";
import { canTake, codeOf, isOut, type RefusalCode, reasonOf, refusalCodeOf } from "./eligible.ts";
import { Fleet, longestContextOf, type ModelView } from "./fleet.ts";
import { hotLimitOf, slackRequests } from "./hot-prefix.ts";
import { type BookedLoad, Load } from "./load.ts";
import { Quotes } from "./quotes.ts";
import { turnOf } from "./session-turn.ts";
import { Snapshot } from "./snapshot.ts";
import type {
  Booking,
  BookingEnd,
  Candidate,
  Endpoint,
  ForeignTurn,
  Placed,
  Placing,
  PromptSummary,
  ReplicaLoad,
  RequestSummary,
  TurnListener,
} from "./types.ts";

/** What is believed of one request before a replica is chosen. */
interface Considered {
  readonly request: RequestSummary;
  readonly view: ModelView;
  readonly turn: SessionTurn;
  readonly standing: Standing;
  /** It had its place already: it waits for no room. */
  readonly isFree: boolean;
  readonly nowMs: number;
}

/** A booked request, until its end. */
interface Booked {
  readonly replica: number;
  readonly prompt: PromptSummary;
  readonly load: BookedLoad;
  readonly turn: AdmittedTurn;
  readonly sentAtMs: number;
  /** By which beliefs about the cache know it. */
  readonly sending: number;
  readonly cachedTokensExpected: number;
  /** True when nobody's prefill was ahead: its first event tells what prefill takes. */
  readonly isAlone: boolean;
  /** True when the replica had to load its LoRA adapter first. */
  readonly loadsAdapter: boolean;
  firstEventSeconds: number | undefined;
  isReleased: boolean;
}

const noRoom = codeOf("no-room");
const tooLong = codeOf("too-long");
const unknownModel = codeOf("unknown-model");

/**
 * Chooses the replica for each request and books it there, in one synchronous step: nobody can
 * choose by a count that is already old. Replicas are the endpoints, in an order that never
 * changes.
 *
 * Equals in cost are taken by the fewest requests, and then in random turn.
 *
 * Pure: time and chance are handed in. Cost per choice: one walk along the prompt's keys, and one
 * pass over arrays of numbers, some nanoseconds for each replica; objects are made for the few best
 * ones only.
 */
export class Placer implements Placing {
  readonly belief: CacheBelief;
  readonly gate: SessionGate;
  readonly #random: Random;
  readonly #load: Load;
  readonly #rates: PrefillRates;
  readonly #quotes: Quotes;
  readonly #fleet: Fleet;
  readonly #best = new BestFew();
  readonly #adapters: Adapters;
  /** Of the choice under way, where it is for an adapter. */
  readonly #adapterSeconds: Float64Array;
  readonly #names: readonly string[];
  readonly #replicas: ReadonlyMap<string, number>;
  readonly #listener: TurnListener | undefined;

  constructor(options: {
    readonly names: readonly string[];
    readonly random: Random;
    readonly gate?: GateOptions;
    /** What loading a LoRA adapter is believed to take until one was seen; absent: nothing. */
    readonly adapterLoadSeconds?: number;
    readonly listener?: TurnListener | undefined;
  }) {
    const replicas = options.names.length;
    this.#names = options.names;
    this.#random = options.random;
    this.#listener = options.listener;
    this.belief = new CacheBelief(replicas);
    this.gate = new SessionGate(replicas, options.gate);
    this.#load = new Load(replicas);
    this.#rates = new PrefillRates(replicas);
    this.#quotes = new Quotes(replicas, this.#load, this.#rates);
    this.#adapters = new Adapters(replicas, options.adapterLoadSeconds ?? 0);
    this.#adapterSeconds = new Float64Array(replicas);
    this.#fleet = new Fleet(replicas, {
      onCapacity: (replica, kvTokens) => {
        this.gate.setCapacity(replica, kvTokens);
        this.belief.setCapacity(replica, kvTokens);
      },
      onAdapters: (replica, news) => this.#adapters.hear(replica, news),
      onRequests: (replica, requests, atMs) => this.#load.engineSays(replica, requests, atMs),
    });
    this.#replicas = new Map(options.names.map((name, replica) => [name, replica]));
  }

  /** Requests of this proxy at an endpoint, right now. */
  inFlight(endpoint: string): number {
    const replica = this.#replicas.get(endpoint);
    return replica === undefined ? 0 : this.#load.requests[replica]!;
  }

  /** Takes in what has changed: at once, so that what an engine says is held against our count. */
  look(endpoints: readonly Endpoint[]): void {
    this.#fleet.look(endpoints);
  }

  /** What this proxy has booked at a replica, for other proxies. */
  bookedAt(replica: number): ReplicaLoad {
    return {
      requests: this.#load.requests[replica]!,
      aheadSeconds: this.#load.aheadSeconds[replica]!,
      sessionTokens: this.gate.unsharedTokens(replica),
    };
  }

  /** What other proxies have booked at a replica: counted beside our own from now on. */
  setForeign(replica: number, { requests, aheadSeconds, sessionTokens }: ReplicaLoad): void {
    this.#load.setForeign(replica, requests, aheadSeconds);
    this.gate.setForeignTokens(replica, sessionTokens);
  }

  /**
   * Another proxy sent a turn with these keys to the replica at `atMs`: a hint of what is cached
   * there, and of where the session is at home.
   */
  hear(replica: number, { sessionId, ...prompt }: ForeignTurn, atMs: number): void {
    if (prompt.chunks > 0) {
      this.belief.sent(replica, prompt, atMs);
    }
    this.gate.settle(sessionId, replica, atMs);
  }

  /** True when the session has its place already, and waits for no room. */
  isAdmitted({ sessionId, parentId }: PromptSummary): boolean {
    return this.gate.isAdmitted(sessionId, parentId);
  }

  /** The longest prompt and answer together that any replica takes; see `longestContextOf`. */
  contextTokens(model: string): number {
    return longestContextOf(this.#fleet.viewOf(model));
  }

  /** Tokens of the prompt that no replica is believed to have cached. */
  uncachedTokens(prompt: PromptSummary): number {
    const quotes = this.#quotes;
    this.belief.writeDepths(prompt, quotes.depths);
    quotes.open(prompt, undefined);
    let cached = 0;
    for (let replica = 0; replica < this.#names.length; replica += 1) {
      cached = Math.max(cached, quotes.cachedTokens(replica));
    }
    return prompt.promptTokens - cached;
  }

  /** Chooses and books, or says why nobody can take the request now. */
  place(endpoints: readonly Endpoint[], request: RequestSummary, nowMs: number): Placed {
    const considered = this.#consider(endpoints, request, nowMs, true);
    this.#choose(considered);
    const { furthest } = this.#best;
    const best = this.#best.at(0);
    if (best < 0) {
      if (furthest === noRoom) {
        this.gate.noteWaiting();
      }
      return { reason: reasonOf(furthest) ?? "unknown-model" };
    }
    const compared = this.#best.snapshot(this.#quotes, this.#names);
    return {
      booking: this.#book(considered, best, nowMs),
      consider: () => compared.candidates(),
    };
  }

  /** All that `place` would compare now, best first, the refused ones last. Books nothing. */
  explain(
    endpoints: readonly Endpoint[],
    request: RequestSummary,
    nowMs: number,
  ): readonly Candidate[] {
    const considered = this.#consider(endpoints, request, nowMs, false);
    this.#choose(considered);
    const kept = new Snapshot(this.#names, endpoints.length);
    for (let replica = 0; replica < endpoints.length; replica += 1) {
      this.#quotes.keep(replica, kept);
      kept.refuse(this.#refusal(considered, replica));
    }
    return kept.candidates();
  }

  /** The replica lost what it had cached, or died. */
  lose(replica: number): void {
    this.belief.cleared(replica);
    this.#adapters.lose(replica);
    this.gate.lose(replica);
  }

  #consider(
    endpoints: readonly Endpoint[],
    request: RequestSummary,
    nowMs: number,
    asks: boolean,
  ): Considered {
    assert(endpoints.length === this.#names.length, "replicas neither come nor go");
    this.#fleet.look(endpoints);
    this.#load.forgetOld(nowMs);
    const { prompt } = request;
    this.belief.writeDepths(prompt, this.#quotes.depths);
    const turn = turnOf(prompt);
    const standing = this.gate.consider(turn, nowMs, asks);
    const { home, isFirm, isDisplaced } = standing;
    this.#quotes.open(prompt, isFirm ? home : undefined);
    const view = this.#fleet.viewOf(request.model);
    if (view.isAdapter) {
      this.#quoteAdapter(request.model);
    }
    // Sessions are moved away from where they cannot stay: they had their place, as a retry had.
    const isMoved = home !== undefined && isOut(endpoints[home]!, request.model);
    const isFree = isMoved || isDisplaced || request.excluded.size > 0;
    return { request, view, turn, standing, isFree, nowMs };
  }

  #quoteAdapter(adapter: string): void {
    for (let replica = 0; replica < this.#adapterSeconds.length; replica += 1) {
      this.#adapterSeconds[replica] = this.#adapters.loadSeconds(replica, adapter);
    }
    this.#quotes.openAdapter(this.#adapterSeconds);
  }

  /** Fills `#best`, which may be empty. */
  #choose(considered: Considered): void {
    // Equals are taken in random turn, so that several proxies do not agree on one.
    const start = Math.floor(this.#random.next() * this.#names.length);
    this.#compare(considered, start);
    const { view, standing } = considered;
    const best = this.#best.at(0);
    if (best < 0 || standing.home !== undefined || this.#quotes.cachedTokens(best) === 0) {
      return;
    }
    // A stranger that follows a prefix: not to where everybody has gone already.
    const { allRequests } = this.#load;
    const hotLimit =
      allRequests[best]! > slackRequests ? hotLimitOf(allRequests, view.lasting) : slackRequests;
    if (allRequests[best]! > hotLimit) {
      this.#quotes.guard(hotLimit, view.lasting);
      this.#compare(considered, start);
    }
  }

  #compare(considered: Considered, start: number): void {
    const best = this.#best;
    const { seconds: quoted } = this.#quotes;
    const { allRequests } = this.#load;
    const count = allRequests.length;
    this.#quotes.writeSeconds(considered.nowMs);
    best.clear();
    let { secondsMax } = best;
    for (let step = 0; step < count; step += 1) {
      const replica = start + step < count ? start + step : start + step - count;
      const seconds = quoted[replica]!;
      if (seconds > secondsMax) {
        continue;
      }
      const inFlight = allRequests[replica]!;
      if (!best.wants(seconds, inFlight)) {
        continue;
      }
      const refusal = this.#refusal(considered, replica);
      if (refusal === canTake) {
        best.add(replica, seconds, inFlight);
        ({ secondsMax } = best);
      } else {
        best.refuse(replica, refusal);
      }
    }
  }

  #refusal({ request, view, standing, isFree }: Considered, replica: number): RefusalCode {
    const hasPlace = this.#load.requests[replica]! < this.#fleet.inFlightMax[replica]!;
    const lasting = view.lasting[replica]!;
    const isLong = request.prompt.promptTokens > view.contextTokens[replica]!;
    if (isLong && lasting !== unknownModel && !isLongest(request.prompt, view, replica)) {
      return tooLong;
    }
    const code = refusalCodeOf(this.#names[replica]!, lasting, hasPlace, request);
    if (code !== canTake || isFree || standing.home === replica) {
      return code;
    }
    return this.gate.hasRoom(replica) ? canTake : noRoom;
  }

  #book({ request, view, turn }: Considered, replica: number, nowMs: number): Booking {
    const { prompt, model } = request;
    const loadsAdapter = view.isAdapter && !this.#adapters.isReady(replica, model);
    if (view.isAdapter) {
      this.#adapters.use(replica, model);
    }
    const cachedTokensExpected = this.#quotes.cachedTokens(replica);
    const own = this.#quotes.ownSeconds(replica);
    const isAlone = this.#load.isIdle(replica);
    const booked: Booked = {
      replica,
      prompt,
      load: this.#load.book(replica, own, nowMs),
      turn: this.gate.admit(turn, replica),
      sentAtMs: nowMs,
      sending: this.belief.sent(replica, prompt, nowMs),
      cachedTokensExpected,
      isAlone,
      loadsAdapter,
      firstEventSeconds: undefined,
      isReleased: false,
    };
    this.#listener?.began(prompt, replica, nowMs);
    return {
      endpoint: this.#names[replica]!,
      cachedTokensExpected,
      firstEvent: (atMs) => {
        booked.load.firstEvent(atMs);
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
    if (end.rest === failedRest && booked.firstEventSeconds === undefined) {
      this.belief.unsent(booked.replica, booked.prompt, booked.sending);
    }
    booked.load.end(nowMs);
    const { replica, firstEventSeconds, isAlone, cachedTokensExpected } = booked;
    const cachedTokens = end.usage?.cachedTokens;
    const promptTokens = end.usage?.promptTokens;
    this.gate.end(booked.turn, { cachedTokens, promptTokens, rest: end.rest }, nowMs);
    this.#listener?.ended(booked.prompt, replica, nowMs);
    if (promptTokens === undefined || cachedTokens === undefined) {
      return;
    }
    // What was expected was counted in our estimate of the prompt.
    const scale = promptTokens / Math.max(1, booked.prompt.promptTokens);
    this.belief.audit(replica, cachedTokensExpected * scale, cachedTokens);
    if (isAlone && firstEventSeconds !== undefined) {
      const uncachedTokens = Math.max(0, promptTokens - cachedTokens);
      if (booked.loadsAdapter) {
        const without = this.#rates.firstEventSeconds(replica, uncachedTokens, promptTokens);
        this.#adapters.learnLoad(replica, firstEventSeconds - without);
      } else {
        this.#rates.learn(replica, { firstEventSeconds, promptTokens, uncachedTokens });
      }
    }
  }
}

/**
 * True where a prompt that seems too long goes all the same: what we make of its bytes is a guess,
 * so that the engine with the longest context is the one to judge. Token ids are counted.
 */
function isLongest({ isExact }: PromptSummary, view: ModelView, replica: number): boolean {
  return !isExact && view.contextTokens[replica]! >= longestContextOf(view);
}
