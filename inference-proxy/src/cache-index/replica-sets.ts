import type { PrefixKey } from "./types.ts";

/**
 * Which replicas hold which key: one bit per replica, so that one walk along a prompt answers for
 * all replicas at once and costs about the same for 8 as for 256.
 */
export class ReplicaSets {
  readonly #words: number;
  readonly #slots = new Map<PrefixKey, number>();
  /** Slots of keys that nobody holds any more. */
  readonly #free: number[] = [];
  #bits: Int32Array;
  #slotsMade = 0;
  /** Scratch: replicas whose run along the prompt has not ended. */
  readonly #open: Int32Array;

  constructor(replicas: number) {
    this.#words = Math.ceil(replicas / 32);
    this.#bits = new Int32Array(1024 * this.#words);
    this.#open = new Int32Array(this.#words);
  }

  /** Keys that at least one replica holds. */
  get size(): number {
    return this.#slots.size;
  }

  add(key: PrefixKey, replica: number): void {
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      slot = this.#newSlot();
      this.#slots.set(key, slot);
    }
    this.#bits[slot * this.#words + (replica >>> 5)]! |= 1 << (replica & 31);
  }

  delete(key: PrefixKey, replica: number): void {
    const slot = this.#slots.get(key);
    if (slot === undefined) return;
    const start = slot * this.#words;
    this.#bits[start + (replica >>> 5)]! &= ~(1 << (replica & 31));
    for (let word = 0; word < this.#words; word++) {
      if (this.#bits[start + word] !== 0) return;
    }
    this.#slots.delete(key);
    this.#free.push(slot);
  }

  /**
   * Writes to `depths` for each replica how many keys of `keyAt(0) … keyAt(count - 1)` it holds
   * without a gap from the first. Looks at every `stride`-th key and goes back only where a
   * replica's run ended, as indexes with jump search do: a gap inside a stride whose end is held is
   * not seen. Chains are evicted from their end, so such gaps are rare.
   */
  writeDepths(
    keyAt: (index: number) => PrefixKey,
    count: number,
    stride: number,
    depths: Int32Array,
  ): void {
    depths.fill(0);
    if (count === 0) return;
    const first = this.#slots.get(keyAt(0));
    if (first === undefined) return;
    const start = first * this.#words;
    for (let word = 0; word < this.#words; word++) this.#open[word] = this.#bits[start + word]!;
    let known = 0;
    while (known < count - 1) {
      const next = Math.min(count - 1, known + stride);
      if (!this.#isHeldByAllOpen(keyAt(next))) {
        // Somebody's run ends between `known` and `next`.
        for (let index = known + 1; index <= next; index++) {
          if (!this.#closeWhere(keyAt(index), index, depths)) return;
        }
      }
      known = next;
    }
    this.#close(this.#open, count, depths);
  }

  #isHeldByAllOpen(key: PrefixKey): boolean {
    const slot = this.#slots.get(key);
    if (slot === undefined) return false;
    const start = slot * this.#words;
    for (let word = 0; word < this.#words; word++) {
      if ((this.#open[word]! & ~this.#bits[start + word]!) !== 0) return false;
    }
    return true;
  }

  /** Ends at `index` the runs of replicas without the key; false when none is left. */
  #closeWhere(key: PrefixKey, index: number, depths: Int32Array): boolean {
    const slot = this.#slots.get(key);
    const start = (slot ?? 0) * this.#words;
    let isOpen = false;
    for (let word = 0; word < this.#words; word++) {
      const open = this.#open[word]!;
      const held = slot === undefined ? 0 : open & this.#bits[start + word]!;
      closeWord(open & ~held, word, index, depths);
      this.#open[word] = held;
      isOpen ||= held !== 0;
    }
    return isOpen;
  }

  #close(open: Int32Array, depth: number, depths: Int32Array): void {
    for (let word = 0; word < this.#words; word++) closeWord(open[word]!, word, depth, depths);
  }

  #newSlot(): number {
    const recycled = this.#free.pop();
    if (recycled !== undefined) return recycled;
    const slot = this.#slotsMade++;
    if ((slot + 1) * this.#words > this.#bits.length) {
      const larger = new Int32Array(this.#bits.length * 2);
      larger.set(this.#bits);
      this.#bits = larger;
    }
    return slot;
  }
}

/** Writes `depth` for every replica whose bit is set in `bits`, the word number `word`. */
function closeWord(bits: number, word: number, depth: number, depths: Int32Array): void {
  let rest = bits;
  while (rest !== 0) {
    const lowest = rest & -rest;
    depths[word * 32 + (31 - Math.clz32(lowest))] = depth;
    rest ^= lowest;
  }
}
