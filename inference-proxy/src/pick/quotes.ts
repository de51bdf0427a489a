import type { PrefillRates } from "../learn/index.ts";
import { costOf } from "./cost.ts";
import type { Load } from "./load.ts";
import type { Snapshot } from "./snapshot.ts";
import type { PromptSummary } from "./types.ts";

/** What each replica would ask for one prompt, in seconds; `open` begins the next prompt. */
export class Quotes {
  /** Leading chunks of the prompt that each replica is believed to hold; written before `open`. */
  readonly depths: Int32Array;
  /** What `writeSeconds` wrote last. */
  readonly seconds: Float64Array;
  readonly #load: Load;
  readonly #rates: PrefillRates;
  #promptTokens = 0;
  #chunkTokens = 0;
  /** Cached where the session's blocks are counted on. */
  #homeTokens = 0;

  constructor(replicas: number, load: Load, rates: PrefillRates) {
    this.depths = new Int32Array(replicas);
    this.seconds = new Float64Array(replicas);
    this.#load = load;
    this.#rates = rates;
  }

  /** `home` is where the session's blocks are counted on; undefined: nowhere. */
  open({ promptTokens, chunkTokens }: PromptSummary, home: number | undefined): void {
    this.#promptTokens = promptTokens;
    this.#chunkTokens = chunkTokens;
    this.#homeTokens = home === undefined ? 0 : this.cachedTokens(home);
  }

  /** An engine computes at least the last token, whatever it holds. */
  cachedTokens(replica: number): number {
    const held = this.depths[replica]! * this.#chunkTokens;
    return Math.max(0, Math.min(held, this.#promptTokens - 1));
  }

  /** Prefill of what is not cached there. */
  ownSeconds(replica: number): number {
    const uncached = this.#promptTokens - this.cachedTokens(replica);
    return this.#rates.seconds(replica, uncached, this.#promptTokens);
  }

  /** Writes what choosing each replica would cost; see `costOf`. One loop over plain arrays. */
  writeSeconds(): void {
    const { seconds, depths } = this;
    const { allAheadSeconds, allRequests } = this.#load;
    const promptTokens = this.#promptTokens;
    const chunkTokens = this.#chunkTokens;
    const homeTokens = this.#homeTokens;
    const rates = this.#rates;
    const tokensMax = Math.max(0, promptTokens - 1);
    for (let replica = 0; replica < seconds.length; replica += 1) {
      const held = depths[replica]! * chunkTokens;
      const cached = Math.min(held, tokensMax);
      const own = rates.seconds(replica, promptTokens - cached, promptTokens);
      const left =
        homeTokens > cached ? rates.seconds(replica, homeTokens - cached, promptTokens) : 0;
      seconds[replica] = costOf(allAheadSeconds[replica]!, own, allRequests[replica]!, left);
    }
  }

  /** Notes what the cost is made of. */
  keep(replica: number, into: Snapshot): void {
    const ahead = this.#load.allAheadSeconds[replica]!;
    const inFlight = this.#load.allRequests[replica]!;
    into.keep(replica, ahead, this.ownSeconds(replica), inFlight, this.#leftSeconds(replica));
  }

  #leftSeconds(replica: number): number {
    const leftTokens = this.#homeTokens - this.cachedTokens(replica);
    return leftTokens > 0 ? this.#rates.seconds(replica, leftTokens, this.#promptTokens) : 0;
  }
}
