import { LeastSquares } from "./least-squares.ts";

/** What a first event taught about prefill. */
export interface PrefillSample {
  /** From sending the request to its first event. */
  readonly firstEventSeconds: number;
  readonly promptTokens: number;
  readonly uncachedTokens: number;
}

/** An 8B model on an H100, in seconds per token; only until the first samples. */
const secondsPerTokenAtFirst = 21e-6;
/** About the last hundred requests decide. */
const memory = 0.99;
/** Below this a replica is believed to be as fast as the others. */
const samplesMin = 16;
/** No GPU that is for sale computes a token of any model in less. */
const secondsPerTokenMin = 1e-7;
/** Features are near 1 when scaled by these: a thousand tokens, and a thousand times a thousand. */
const thousand = 1000;
const doubt = 1;

/**
 * How long each replica takes to compute prompt tokens: so much per token, and so much more for
 * each token that stands before it (attention). Learned from first events of requests that had no
 * other's prefill before them; no calibration.
 */
export class PrefillRates {
  readonly #own: readonly LeastSquares[];
  readonly #fleet = newModel();
  /** Seconds for each thousand tokens, and for each thousand before those; the fleet's last. */
  readonly #each: Float64Array;
  readonly #eachBefore: Float64Array;
  /** Seconds of a first event that no token explains. */
  readonly #always: Float64Array;
  /** Where a replica's rates are: its own place, or the fleet's. */
  readonly #at: Int32Array;

  constructor(replicas: number) {
    this.#own = Array.from({ length: replicas }, newModel);
    this.#each = new Float64Array(replicas + 1);
    this.#eachBefore = new Float64Array(replicas + 1);
    this.#always = new Float64Array(replicas + 1);
    this.#at = new Int32Array(replicas).fill(replicas);
    this.#keep(replicas, this.#fleet);
  }

  learn(replica: number, sample: PrefillSample): void {
    const { promptTokens, uncachedTokens, firstEventSeconds } = sample;
    const thousands = uncachedTokens / thousand;
    const features = [1, thousands, thousands * thousandsBefore(uncachedTokens, promptTokens)];
    const own = this.#own[replica]!;
    own.add(features, firstEventSeconds);
    this.#fleet.add(features, firstEventSeconds);
    this.#keep(replica, own);
    this.#keep(this.#own.length, this.#fleet);
    if (own.samples >= samplesMin) {
      this.#at[replica] = replica;
    }
  }

  /** Seconds of the replica's time that computing the uncached end of a prompt takes. */
  seconds(replica: number, uncachedTokens: number, promptTokens: number): number {
    const at = this.#at[replica]!;
    const each =
      this.#each[at]! + this.#eachBefore[at]! * thousandsBefore(uncachedTokens, promptTokens);
    const learned = (uncachedTokens / thousand) * each;
    return Math.max(learned, uncachedTokens * secondsPerTokenMin);
  }

  /** From sending a request to its first event, on a replica that has no other prefill to do. */
  firstEventSeconds(replica: number, uncachedTokens: number, promptTokens: number): number {
    const always = this.#always[this.#at[replica]!]!;
    return always + this.seconds(replica, uncachedTokens, promptTokens);
  }

  #keep(at: number, { weights }: LeastSquares): void {
    this.#always[at] = Math.max(0, weights[0]!);
    this.#each[at] = Math.max(0, weights[1]!);
    this.#eachBefore[at] = Math.max(0, weights[2]!);
  }
}

function newModel(): LeastSquares {
  return new LeastSquares([0, secondsPerTokenAtFirst * thousand, 0], memory, doubt);
}

/** Tokens before the mean one of those that are computed: those of the cached part included. */
function thousandsBefore(uncachedTokens: number, promptTokens: number): number {
  return (promptTokens - uncachedTokens / 2) / thousand;
}
