import type { PrefillRates } from "../learn/index.ts";
import { costOf } from "./cost.ts";
import { levelDepths } from "./hot-prefix.ts";
import type { Load } from "./load.ts";
import type { Snapshot } from "./snapshot.ts";
import type { PromptSummary } from "./types.ts";

/** What each replica would ask for one prompt, in seconds; `open` begins the next prompt. */
export class Quotes {
  /** Leading chunks of the prompt that each replica is believed to hold; written before `open`. */
  readonly depths: Int32Array;
  /** What `writeSeconds` wrote last. */
  readonly seconds: Float64Array;
  /** What was ahead when `seconds` was written. */
  readonly #aheadSeconds: Float64Array;
  readonly #load: Load;
  readonly #rates: PrefillRates;
  #promptTokens = 0;
  #chunkTokens = 0;
  /** The depths that are quoted by: what is there, unless guarded. */
  #quotedDepths: Int32Array;
  readonly #levelDepths: Int32Array;
  /** What loading its adapter costs at each replica; undefined: it asks for none. */
  #adapterSeconds: Float64Array | undefined;
  /** Cached where the session's blocks are counted on. */
  #homeTokens = 0;

  constructor(replicas: number, load: Load, rates: PrefillRates) {
    this.depths = new Int32Array(replicas);
    this.seconds = new Float64Array(replicas);
    this.#aheadSeconds = new Float64Array(replicas);
    this.#quotedDepths = this.depths;
    this.#levelDepths = new Int32Array(replicas);
    this.#load = load;
    this.#rates = rates;
  }

  /** `home` is where the session's blocks are counted on; undefined: nowhere. */
  open({ promptTokens, chunkTokens }: PromptSummary, home: number | undefined): void {
    this.#promptTokens = promptTokens;
    this.#chunkTokens = chunkTokens;
    this.#quotedDepths = this.depths;
    this.#adapterSeconds = undefined;
    this.#homeTokens = home === undefined ? 0 : this.cachedTokens(home);
  }

  /** The prompt is for an adapter, which costs so much at each replica before it can begin. */
  openAdapter(seconds: Float64Array): void {
    this.#adapterSeconds = seconds;
  }

  /**
   * From now on, until the next prompt, replicas with more requests than `hotLimit` are quoted as
   * if they held no more of it than the deepest of the others that serve the model.
   */
  guard(hotLimit: number, lasting: Uint8Array): void {
    const { allRequests } = this.#load;
    levelDepths(this.depths, { requests: allRequests, lasting, hotLimit }, this.#levelDepths);
    this.#quotedDepths = this.#levelDepths;
  }

  /** An engine computes at least the last token, whatever it holds. */
  cachedTokens(replica: number): number {
    return this.#tokensOf(this.depths[replica]!);
  }

  /** Prefill of what is not cached there. */
  ownSeconds(replica: number): number {
    return this.#ownSeconds(replica, this.cachedTokens(replica));
  }

  /** Writes what choosing each replica now costs; see `costOf`. One loop over plain arrays. */
  writeSeconds(nowMs: number): void {
    const { seconds } = this;
    const depths = this.#quotedDepths;
    const aheadSeconds = this.#aheadSeconds;
    const { allRequests } = this.#load;
    const promptTokens = this.#promptTokens;
    const chunkTokens = this.#chunkTokens;
    const homeTokens = this.#homeTokens;
    const rates = this.#rates;
    const tokensMax = Math.max(0, promptTokens - 1);
    const adapterSeconds = this.#adapterSeconds;
    for (let replica = 0; replica < seconds.length; replica += 1) {
      const held = depths[replica]! * chunkTokens;
      const cached = Math.min(held, tokensMax);
      const own = rates.seconds(replica, promptTokens - cached, promptTokens);
      const left =
        homeTokens > cached ? rates.seconds(replica, homeTokens - cached, promptTokens) : 0;
      const work = adapterSeconds === undefined ? own : own + adapterSeconds[replica]!;
      const ahead = this.#load.aheadSecondsAt(replica, nowMs);
      aheadSeconds[replica] = ahead;
      seconds[replica] = costOf(ahead, work, allRequests[replica]!, left);
    }
  }

  /** Notes what the cost that was written last is made of. */
  keep(replica: number, into: Snapshot): void {
    const ahead = this.#aheadSeconds[replica]!;
    const inFlight = this.#load.allRequests[replica]!;
    const cached = this.#tokensOf(this.#quotedDepths[replica]!);
    const leftTokens = this.#homeTokens - cached;
    const left = leftTokens > 0 ? this.#rates.seconds(replica, leftTokens, this.#promptTokens) : 0;
    const adapter = this.#adapterSeconds?.[replica] ?? 0;
    into.keep(replica, ahead, this.#ownSeconds(replica, cached), inFlight, left, adapter);
  }

  #ownSeconds(replica: number, cachedTokens: number): number {
    return this.#rates.seconds(replica, this.#promptTokens - cachedTokens, this.#promptTokens);
  }

  #tokensOf(depth: number): number {
    return Math.max(0, Math.min(depth * this.#chunkTokens, this.#promptTokens - 1));
  }
}
