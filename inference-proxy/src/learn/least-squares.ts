/**
 * Recursive least squares with forgetting (Haykin, Adaptive Filter Theory, 4th ed., ch. 9): the
 * weights of a linear model, corrected with each sample; old samples fade by `memory` each time.
 */
export class LeastSquares {
  /** One for each feature. */
  readonly weights: Float64Array;
  readonly #memory: number;
  /** Inverse correlation of the features, row by row. */
  readonly #inverse: Float64Array;
  readonly #gain: Float64Array;
  #samples = 0;

  /**
   * `memory` in (0, 1], nearer to 1 forgets more slowly; `doubt` of the first weights: how far
   * samples may move them.
   */
  constructor(first: readonly number[], memory: number, doubt: number) {
    const size = first.length;
    this.weights = Float64Array.from(first);
    this.#memory = memory;
    this.#inverse = new Float64Array(size * size);
    this.#gain = new Float64Array(size);
    for (let index = 0; index < size; index += 1) {
      this.#inverse[index * size + index] = doubt;
    }
  }

  get samples(): number {
    return this.#samples;
  }

  add(features: readonly number[], value: number): void {
    const { weights } = this;
    const size = weights.length;
    const inverse = this.#inverse;
    const gain = this.#gain;
    let scale = this.#memory;
    let error = value;
    for (let row = 0; row < size; row += 1) {
      let sum = 0;
      for (let column = 0; column < size; column += 1) {
        sum += inverse[row * size + column]! * features[column]!;
      }
      gain[row] = sum;
      scale += features[row]! * sum;
      error -= weights[row]! * features[row]!;
    }
    for (let row = 0; row < size; row += 1) {
      weights[row]! += (gain[row]! / scale) * error;
      for (let column = 0; column < size; column += 1) {
        const at = row * size + column;
        inverse[at] = (inverse[at]! - (gain[row]! * gain[column]!) / scale) / this.#memory;
      }
    }
    this.#samples += 1;
  }
}
