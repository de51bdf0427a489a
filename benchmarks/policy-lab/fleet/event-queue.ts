/** Things that happen at a time, in the order of time and, within a time, of scheduling. */
export interface EventQueue {
  /** Time of the next one; `Infinity` when there is none. */
  readonly nextMs: number;
  /** The time of the one that ran last; nothing can be scheduled before it. */
  readonly nowMs: number;
  at(timeMs: number, run: () => void): void;
  /** Runs the next one. */
  runNext(): void;
  /** Lets time pass without an event; never backwards. */
  passTo(timeMs: number): void;
}

/** An empty queue at time 0: a binary heap. */
export function createEventQueue(): EventQueue {
  return new HeapQueue();
}

interface Event {
  readonly timeMs: number;
  readonly sequence: number;
  readonly run: () => void;
}

class HeapQueue implements EventQueue {
  readonly #heap: Event[] = [];
  #sequence = 0;
  nowMs = 0;

  get nextMs(): number {
    return this.#heap[0]?.timeMs ?? Number.POSITIVE_INFINITY;
  }

  at(timeMs: number, run: () => void): void {
    const event = { timeMs: Math.max(timeMs, this.nowMs), sequence: this.#sequence++, run };
    const heap = this.#heap;
    let index = heap.length;
    heap.push(event);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (isBefore(heap[parent]!, event)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = event;
  }

  runNext(): void {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined) return;
    if (first !== last) this.#sink(last);
    this.nowMs = first.timeMs;
    first.run();
  }

  passTo(timeMs: number): void {
    if (timeMs > this.nowMs) this.nowMs = timeMs;
  }

  /** Puts `event` at the root and lets it find its place. */
  #sink(event: Event): void {
    const heap = this.#heap;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (isBefore(event, heap[child]!)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = event;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.timeMs < b.timeMs || (a.timeMs === b.timeMs && a.sequence < b.sequence);
}
