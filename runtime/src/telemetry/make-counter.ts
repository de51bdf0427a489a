import { Counter, type CounterConfiguration } from "prom-client";
import { type Labels, Series } from "./series.ts";

/** What was counted for one combination of labels since the last look. */
interface Cell<L extends string> {
  readonly labels: Labels<L>;
  pending: number;
}

/**
 * A counter that finds its series by the labels' values alone and adds up between two looks at it:
 * a third of the library's price for each count, which counts on hot paths pay several times a
 * request. Labels are checked when a combination is first counted.
 */
export function makeCounter<L extends string>(config: CounterConfiguration<L>): Counter<L> {
  const names = config.labelNames ?? [];
  const cells: Cell<L>[] = [];
  const counter = new Counter<L>({
    ...config,
    collect: () => {
      for (const cell of cells) {
        count(cell.labels, cell.pending);
        cell.pending = 0;
      }
    },
  });
  const count = counter.inc.bind(counter) as (labels: Labels<L>, value: number) => void;
  if (names.length === 0) {
    return counter;
  }
  const series = new Series<L, Cell<L>>(names, (labels) => {
    count(labels, 0);
    const cell = { labels, pending: 0 };
    cells.push(cell);
    return cell;
  });
  const add = (labels: Labels<L>, value = 1): void => {
    const cell = series.of(labels);
    if (!(value >= 0)) {
      throw new RangeError(`a counter cannot go by ${value}`);
    }
    cell.pending += value;
  };
  // One function for both overloads of the library.
  counter.inc = ((labels?: Labels<L> | number, value?: number) => {
    if (typeof labels === "object") {
      add(labels, value);
    } else {
      count({}, labels ?? 1);
    }
  }) as Counter<L>["inc"];
  return counter;
}
