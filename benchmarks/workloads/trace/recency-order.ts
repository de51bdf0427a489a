/**
 * Ids in the order of their last use, each with how many were used after it. A Fenwick tree
 * (Fenwick, 1994) counts the uses that are still somebody's last; both operations take the
 * logarithm of the number of ids.
 */
export class RecencyOrder {
  /** When each was last used, in uses. */
  #lastUse = new Map<number, number>();
  #tree: Int32Array;
  #uses = 0;

  constructor(initialUses = 2 ** 16) {
    this.#tree = new Int32Array(initialUses + 1);
  }

  /** Distinct ids that were used. */
  get size(): number {
    return this.#lastUse.size;
  }

  /** How many others were used since; undefined when it never was. */
  rankOf(id: number): number | undefined {
    const last = this.#lastUse.get(id);
    return last === undefined ? undefined : this.#lastUse.size - this.#countUntil(last);
  }

  use(id: number): void {
    const last = this.#lastUse.get(id);
    if (last !== undefined) this.#change(last, -1);
    if (this.#uses === this.#tree.length - 1) this.#renumber(id);
    this.#uses += 1;
    this.#lastUse.set(id, this.#uses);
    this.#change(this.#uses, 1);
  }

  /** Numbers last uses from 1 again, with room for as many more; `gone` is about to be used. */
  #renumber(gone: number): void {
    this.#lastUse.delete(gone);
    const order = [...this.#lastUse].sort((left, right) => left[1] - right[1]);
    this.#tree = new Int32Array(Math.max(this.#tree.length, 2 * order.length + 2));
    this.#lastUse = new Map(order.map(([id], index) => [id, index + 1]));
    this.#uses = order.length;
    for (let use = 1; use <= order.length; use += 1) this.#change(use, 1);
  }

  #countUntil(use: number): number {
    let count = 0;
    for (let at = use; at > 0; at -= at & -at) count += this.#tree[at] ?? 0;
    return count;
  }

  #change(use: number, by: number): void {
    for (let at = use; at < this.#tree.length; at += at & -at) {
      this.#tree[at] = (this.#tree[at] ?? 0) + by;
    }
  }
}
