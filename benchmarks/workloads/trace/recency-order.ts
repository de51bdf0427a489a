/**
 * Ids in the order of their last use, each with how many were used after it. A Fenwick tree
 * (Fenwick, 1994) counts the uses that are still somebody's last; both operations take the
 * logarithm of the number of ids. About 100 bytes for each id.
 */
export class RecencyOrder {
  /** When each was last used, in uses; the first use is 1. */
  readonly #lastUse = new Map<number, number>();
  /** Which id each use was of. */
  #idOfUse: Float64Array;
  #tree: Int32Array;
  #uses = 0;

  constructor(initialUses = 2 ** 16) {
    this.#idOfUse = new Float64Array(initialUses + 1);
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
    if (this.#uses === this.#tree.length - 1) this.#makeRoom();
    const last = this.#lastUse.get(id);
    if (last !== undefined) this.#change(last, -1);
    this.#uses += 1;
    this.#idOfUse[this.#uses] = id;
    this.#lastUse.set(id, this.#uses);
    this.#change(this.#uses, 1);
  }

  /** Forgets the uses that are nobody's last, and leaves room for half as many as are kept. */
  #makeRoom(): void {
    const roomy = Math.max(this.#tree.length, Math.ceil(1.5 * this.#lastUse.size) + 2);
    const idOfUse = new Float64Array(roomy);
    let kept = 0;
    for (let use = 1; use <= this.#uses; use += 1) {
      const id = this.#idOfUse[use] ?? 0;
      if (this.#lastUse.get(id) !== use) continue;
      kept += 1;
      idOfUse[kept] = id;
      this.#lastUse.set(id, kept);
    }
    this.#idOfUse = idOfUse;
    this.#tree = new Int32Array(roomy);
    this.#uses = kept;
    for (let use = 1; use <= kept; use += 1) this.#change(use, 1);
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
