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

  constructor(replicas: number) {
    this.#own = Array.from({ length: replicas }, newModel);
  }

  learn(replica: number, sample: PrefillSample): void {
    const { promptTokens, uncachedTokens, firstEventSeconds } = sample;
    const thousands = uncachedTokens / thousand;
    const features = [1, thousands, thousands * thousandsBefore(uncachedTokens, promptTokens)];
    this.#own[replica]!.add(features, firstEventSeconds);
    this.#fleet.add(features, firstEventSeconds);
  }

  /** Seconds of the replica's time that computing the uncached end of a prompt takes. */
  seconds(replica: number, uncachedTokens: number, promptTokens: number): number {
    const own = this.#own[replica]!;
    const { weights } = own.samples < samplesMin ? this.#fleet : own;
    const each =
      Math.max(0, weights[1]!) +
      Math.max(0, weights[2]!) * thousandsBefore(uncachedTokens, promptTokens);
    const learned = (uncachedTokens / thousand) * each;
    return Math.max(learned, uncachedTokens * secondsPerTokenMin);
  }
}

function newModel(): LeastSquares {
  return new LeastSquares([0, secondsPerTokenAtFirst * thousand, 0], memory, doubt);
}

/** Tokens before the mean one of those that are computed: those of the cached part included. */
function thousandsBefore(uncachedTokens: number, promptTokens: number): number {
  return (promptTokens - uncachedTokens / 2) / thousand;
}
