import { Histogram, type HistogramConfiguration } from "prom-client";
import { assert } from "../base/index.ts";
import { type Labels, Series } from "./series.ts";

/** What the library keeps for one combination of labels: not cumulative, by upper bound. */
interface Entry {
  readonly bucketValues: Record<number, number>;
  sum: number;
  count: number;
}

/**
 * A histogram that finds its series by the labels' values alone and counts in the library's own
 * entry: a fifth of the library's price for each observation. Labels are checked when a combination
 * is first observed.
 */
export function makeHistogram<L extends string>(
  config: HistogramConfiguration<L> & { readonly buckets: readonly number[] },
): Histogram<L> {
  const names = config.labelNames ?? [];
  const bounds = config.buckets.toSorted((a, b) => a - b);
  const histogram = new Histogram<L>(config);
  if (names.length === 0) {
    return histogram;
  }
  const series = new Series<L, Entry>(names, (labels) => {
    // Only an observation checks the labels; the library knows no other way to make an entry so.
    histogram.labels(labels).observe(0);
    const entry = entriesOf(histogram).at(-1);
    assert(entry?.count === 1, "the library keeps a new combination of labels last");
    for (const bound of Object.keys(entry.bucketValues)) {
      entry.bucketValues[Number(bound)] = 0;
    }
    entry.count = 0;
    return entry;
  });
  const observe = (labels: Labels<L>, value: number): void => {
    if (!Number.isFinite(value)) {
      throw new TypeError(`a histogram cannot observe ${value}`);
    }
    const entry = series.of(labels);
    entry.sum += value;
    entry.count += 1;
    for (const bound of bounds) {
      if (value <= bound) {
        entry.bucketValues[bound] = (entry.bucketValues[bound] ?? 0) + 1;
        return;
      }
    }
  };
  histogram.observe = observe as Histogram<L>["observe"];
  return histogram;
}

/** Not in the library's types, though in every version of its line; oldest first. */
function entriesOf(histogram: Histogram<string>): readonly Entry[] {
  const { hashMap } = histogram as unknown as { readonly hashMap: Readonly<Record<string, Entry>> };
  return Object.values(hashMap);
}
