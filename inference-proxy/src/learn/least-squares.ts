/**
 * Recursive least squares with forgetting (Haykin, Adaptive Filter Theory, 4th ed., ch. 9): the
 * weights of a linear model, corrected with each sample; old samples fade by `memory` each time.
 * What fades is made good by as much of the first doubt (exponential resetting, Salgado et al.,
 * Int. J. Control 47(2), 1988): else equal samples, one after the other, would leave it certain of
 * nothing but themselves, and numbers that grow beyond all bounds.
 */
export class LeastSquares {
  /** One for each feature. */
  readonly weights: Float64Array;
  readonly #memory: number;
  /** What is known of a weight beforehand, and at the least. */
  readonly #floor: number;
  /** Correlation of the features, row by row. */
  readonly #known: Float64Array;
  /** Scratch of `#solve`. */
  readonly #rows: Float64Array;
  readonly #step: Float64Array;
  #samples = 0;

  /**
   * `memory` in (0, 1], nearer to 1 forgets more slowly; `doubt` of the weights, at first and at
   * the most: how far samples may move them.
   */
  constructor(first: readonly number[], memory: number, doubt: number) {
    const size = first.length;
    this.weights = Float64Array.from(first);
    this.#memory = memory;
    this.#floor = 1 / doubt;
    this.#known = new Float64Array(size * size);
    this.#rows = new Float64Array(size * size);
    this.#step = new Float64Array(size);
    for (let index = 0; index < size; index += 1) {
      this.#known[index * size + index] = this.#floor;
    }
  }

  get samples(): number {
    return this.#samples;
  }

  add(features: readonly number[], value: number): void {
    const { weights } = this;
    const size = weights.length;
    let error = value;
    for (let row = 0; row < size; row += 1) {
      error -= weights[row]! * features[row]!;
      for (let column = 0; column < size; column += 1) {
        const renewed = row === column ? (1 - this.#memory) * this.#floor : 0;
        const at = row * size + column;
        this.#known[at] =
          this.#known[at]! * this.#memory + features[row]! * features[column]! + renewed;
      }
    }
    this.#solve(features);
    for (let row = 0; row < size; row += 1) {
      weights[row]! += this.#step[row]! * error;
    }
    this.#samples += 1;
  }

  /** Writes to `#step` what `#known` makes `features` of: elimination, then from the last up. */
  #solve(features: readonly number[]): void {
    const size = features.length;
    const rows = this.#rows;
    const step = this.#step;
    rows.set(this.#known);
    step.set(features);
    for (let pivot = 0; pivot < size; pivot += 1) {
      // None is less but by rounding.
      const most = Math.max(this.#floor, rows[pivot * size + pivot]!);
      rows[pivot * size + pivot] = most;
      for (let row = pivot + 1; row < size; row += 1) {
        const share = rows[row * size + pivot]! / most;
        step[row]! -= share * step[pivot]!;
        for (let column = pivot; column < size; column += 1) {
          rows[row * size + column]! -= share * rows[pivot * size + column]!;
        }
      }
    }
    for (let row = size - 1; row >= 0; row -= 1) {
      for (let column = row + 1; column < size; column += 1) {
        step[row]! -= rows[row * size + column]! * step[column]!;
      }
      step[row]! /= rows[row * size + row]!;
    }
  }
}
