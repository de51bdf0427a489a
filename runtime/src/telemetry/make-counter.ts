import { Counter, type CounterConfiguration } from "prom-client";

/** What was counted for one combination of labels since the last look. */
interface Cell<L extends string> {
  readonly labels: Labels<L>;
  pending: number;
}

type Labels<L extends string> = Partial<Record<L, string | number>>;

/** Cells by the value of one label after the other: no text is made to find one. */
interface Node<L extends string> {
  readonly next: Map<string | number | undefined, Node<L>>;
  cell: Cell<L> | undefined;
}

/**
 * A counter that finds its series by the labels' values alone and adds up between two looks at it:
 * a third of the library's price for each count, which counts on hot paths pay several times a
 * request. Labels are checked when a combination is first counted.
 */
export function makeCounter<L extends string>(config: CounterConfiguration<L>): Counter<L> {
  const names = config.labelNames ?? [];
  const root: Node<L> = { next: new Map(), cell: undefined };
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
  const add = (labels: Labels<L>, value = 1): void => {
    const node = nodeOf(root, names, labels);
    let { cell } = node;
    if (cell === undefined) {
      cell = { labels: { ...labels }, pending: 0 };
      count(cell.labels, 0);
      node.cell = cell;
      cells.push(cell);
    }
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

function nodeOf<L extends string>(root: Node<L>, names: readonly L[], labels: Labels<L>): Node<L> {
  let node = root;
  for (const name of names) {
    const value = labels[name];
    let next = node.next.get(value);
    if (next === undefined) {
      next = { next: new Map(), cell: undefined };
      node.next.set(value, next);
    }
    node = next;
  }
  return node;
}
