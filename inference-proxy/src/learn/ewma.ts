/** A mean that forgets: each value counts `weight`, all earlier ones together the rest. */
export interface Ewma {
  add(value: number): void;
  /** Undefined until the first value. */
  readonly mean: number | undefined;
}

/** Makes one; `weight` in (0, 1], larger forgets faster. */
export function createEwma(weight: number): Ewma {
  let mean: number | undefined;
  return {
    add: (value) => {
      mean = mean === undefined ? value : mean + weight * (value - mean);
    },
    get mean() {
      return mean;
    },
  };
}
