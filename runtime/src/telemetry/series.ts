/** Values of a metric's labels. */
export type Labels<L extends string> = Partial<Record<L, string | number>>;

/** What is kept for each combination of labels. */
interface Node<Cell> {
  readonly next: Map<string | number | undefined, Node<Cell>>;
  cell: Cell | undefined;
}

/**
 * A cell for each combination of labels, found by the value of one label after the other: no text
 * is made to find one.
 */
export class Series<L extends string, Cell> {
  readonly #names: readonly L[];
  readonly #make: (labels: Labels<L>) => Cell;
  readonly #root: Node<Cell> = { next: new Map(), cell: undefined };

  /** `make`: called once for each combination; what it throws, `of` throws. */
  constructor(names: readonly L[], make: (labels: Labels<L>) => Cell) {
    this.#names = names;
    this.#make = make;
  }

  of(labels: Labels<L>): Cell {
    let node = this.#root;
    for (const name of this.#names) {
      const value = labels[name];
      let next = node.next.get(value);
      if (next === undefined) {
        next = { next: new Map(), cell: undefined };
        node.next.set(value, next);
      }
      node = next;
    }
    node.cell ??= this.#make({ ...labels });
    return node.cell;
  }
}
