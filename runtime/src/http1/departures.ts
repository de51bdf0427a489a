/** What takes part in a departure: it is given back its bytes when it is time to write them. */
export interface Departing {
  /** Writes `arena[start, start + length)`, which is only valid during the call. */
  depart(arena: Buffer, start: number, length: number): void;
}

/** Room for what leaves together: some hundred answers, or tokens of a few thousand streams. */
const arenaBytes = 1024 * 1024;

/**
 * Gathers what is written during one turn of the event loop, for all connections, and writes it at
 * the turn's end, one system call after the other.
 *
 * A write to a peer that sleeps wakes it, which costs more than the write; written one after the
 * other they wake it once. Where the sockets of a turn belong to few peers, such as a balancer in
 * front and an engine behind, that is a quarter of a relay's time. A request alone in its turn
 * leaves as soon as before.
 */
export class Departures {
  readonly #arena = Buffer.allocUnsafeSlow(arenaBytes);
  readonly #soon: (leave: () => void) => void;
  #filledBytes = 0;
  #who: Departing[] = [];
  #starts: number[] = [];
  #afterwards: (() => void)[] = [];
  #isDue = false;
  readonly #leave = (): void => {
    this.#isDue = false;
    this.flush();
    const tasks = this.#afterwards;
    this.#afterwards = [];
    for (const task of tasks) {
      task();
    }
  };

  /** `soon`: calls back at the end of this turn of the event loop. */
  constructor(soon: (leave: () => void) => void) {
    this.#soon = soon;
  }

  /**
   * Where `who` may put up to `length` bytes, which must fit into the arena; `add` says that they
   * are there. What is there already leaves first where there is no room.
   */
  room(length: number): Buffer {
    if (this.#filledBytes + length > arenaBytes) {
      this.flush();
    }
    return this.#arena;
  }

  /** Where the room begins. */
  get at(): number {
    return this.#filledBytes;
  }

  /** The `length` bytes at `at` are to be written by `who`, in the order of these calls. */
  add(who: Departing, length: number): void {
    this.#who.push(who);
    this.#starts.push(this.#filledBytes);
    this.#filledBytes += length;
    this.#becomeDue();
  }

  /**
   * `task` runs once what this turn has to write has been written, in the order of these calls: for
   * what nobody on the other side waits for. It must not throw.
   */
  afterwards(task: () => void): void {
    this.#afterwards.push(task);
    this.#becomeDue();
  }

  #becomeDue(): void {
    if (!this.#isDue) {
      this.#isDue = true;
      this.#soon(this.#leave);
    }
  }

  /** Everything leaves now. */
  flush(): void {
    const who = this.#who;
    const starts = this.#starts;
    const end = this.#filledBytes;
    this.#who = [];
    this.#starts = [];
    for (let index = 0; index < who.length; index += 1) {
      const start = starts[index] ?? 0;
      who[index]?.depart(this.#arena, start, (starts[index + 1] ?? end) - start);
    }
    if (this.#who.length === 0) {
      this.#filledBytes = 0;
    }
  }
}
