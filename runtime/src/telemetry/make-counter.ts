import { Counter, type CounterConfiguration } from "prom-client";

/** What was counted for one combination of labels since the last look. */
interface Cell<L extends string> {
  readonly labels: Partial<Record<L, string | number>>;
  pending: number;
}

/**
 * A counter that finds its series by the labels' values alone and adds up between two looks at it:
 * a third of the library's price for each count, which counts on hot paths pay several times a
 * request. Labels are checked when a combination is first counted.
 */
export function makeCounter<L extends string>(config: CounterConfiguration<L>): Counter<L> {
  const names = config.labelNames ?? [];
  const cells = new Map<string, Cell<L>>();
  const counter = new Counter<L>({
    ...config,
    collect: () => {
      for (const cell of cells.values()) {
        count(cell.labels, cell.pending);
        cell.pending = 0;
      }
    },
  });
  const count = counter.inc.bind(counter) as (labels: Cell<L>["labels"], value: number) => void;
  if (names.length === 0) {
    return counter;
  }
  const add = (labels: Cell<L>["labels"], value = 1): void => {
    const key = keyOf(names, labels);
    let cell = cells.get(key);
    if (cell === undefined) {
      cell = { labels: { ...labels }, pending: 0 };
      count(cell.labels, 0);
      cells.set(key, cell);
    }
    if (!(value >= 0)) {
      throw new RangeError(`a counter cannot go by ${value}`);
    }
    cell.pending += value;
  };
  // One function for both overloads of the library.
  counter.inc = ((labels?: Cell<L>["labels"] | number, value?: number) => {
    if (typeof labels === "object") {
      add(labels, value);
    } else {
      count({}, labels ?? 1);
    }
  }) as Counter<L>["inc"];
  return counter;
}

/** No label's value has a line feed: they are names of ours, of models and of hosts. */
function keyOf<L extends string>(
  names: readonly L[],
  labels: Partial<Record<L, string | number>>,
): string {
  let key = "";
  for (const name of names) {
    key += `${labels[name] ?? ""}\n`;
  }
  return key;
}
