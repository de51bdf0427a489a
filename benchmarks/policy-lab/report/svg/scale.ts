/** Maps values to pixels. */
export interface Scale {
  readonly ticks: readonly number[];
  at(value: number): number;
}

/** From zero (or below) to a round number above the largest value. */
export function linearScale(values: readonly number[], from: number, to: number): Scale {
  const finite = values.filter(Number.isFinite);
  const low = Math.min(0, ...finite);
  const high = Math.max(...finite, low + 1e-9);
  const step = roundStep((high - low) / 4);
  const top = Math.ceil(high / step - 1e-9) * step;
  const bottom = Math.floor(low / step + 1e-9) * step;
  const count = Math.round((top - bottom) / step);
  return {
    ticks: Array.from({ length: count + 1 }, (_, index) => bottom + index * step),
    at: (value) => from + ((value - bottom) / (top - bottom)) * (to - from),
  };
}

/** Shares: always 0 to 1. */
export function shareScale(from: number, to: number): Scale {
  return { ticks: [0, 0.25, 0.5, 0.75, 1], at: (value) => from + Math.min(1, value) * (to - from) };
}

/** Logarithmic, with the more ticks in a decade the fewer decades there are. */
export function logScale(values: readonly number[], from: number, to: number): Scale {
  const finite = values.filter((value) => Number.isFinite(value) && value > 0);
  const low = Math.min(...finite, Number.MAX_VALUE);
  const high = Math.max(...finite, low);
  if (finite.length === 0) return { ticks: [], at: () => from };
  // At least half a decade, so that noise does not fill the plot.
  const widen = Math.max(0, (Math.log10(3) - Math.log10(high / low)) / 2);
  const bottom = Math.log10(low) - widen - 0.03;
  const top = Math.log10(high) + widen + 0.03;
  return {
    ticks: logTicks(bottom, top),
    at: (value) =>
      from + ((Math.log10(Math.max(value, 1e-12)) - bottom) / (top - bottom)) * (to - from),
  };
}

/** Logarithmic with ticks at the given values themselves: the points of a sweep. */
export function sweepScale(values: readonly number[], from: number, to: number): Scale {
  const low = Math.log(Math.min(...values));
  const range = Math.log(Math.max(...values)) - low || 1;
  return {
    ticks: values,
    at: (value) => from + ((Math.log(value) - low) / range) * (to - from),
  };
}

/** Digits that get a tick in each decade, by the number of decades that are drawn. */
const logSteps: readonly { readonly decadesMin: number; readonly steps: readonly number[] }[] = [
  { decadesMin: 4, steps: [1] },
  { decadesMin: 2, steps: [1, 3] },
  { decadesMin: 0.8, steps: [1, 2, 5] },
  { decadesMin: 0, steps: [1, 1.5, 2, 3, 4, 5, 6, 8] },
];

function logTicks(bottom: number, top: number): number[] {
  const decades = top - bottom;
  const steps = logSteps.find(({ decadesMin }) => decades > decadesMin)!.steps;
  const ticks: number[] = [];
  for (let decade = Math.floor(bottom); decade <= Math.ceil(top); decade++) {
    for (const step of steps) {
      const log = decade + Math.log10(step);
      if (log >= bottom && log <= top) ticks.push(step * 10 ** decade);
    }
  }
  return ticks;
}

function roundStep(raw: number): number {
  const power = 10 ** Math.floor(Math.log10(raw));
  const rest = raw / power;
  return power * (rest <= 1 ? 1 : rest <= 2 ? 2 : rest <= 2.5 ? 2.5 : rest <= 5 ? 5 : 10);
}
