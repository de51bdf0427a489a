/** What an engine says of its LoRA adapters. */
export interface AdapterNews {
  /** Those that requests run with or wait for. */
  readonly inUse: readonly string[];
  /** Adapters that it keeps ready at once. */
  readonly slots: number;
}

/** More than a GPU has room for. */
const slotsMax = 256;
/** What one load more says of the next: about the last five decide. */
const loadWeight = 0.2;

/**
 * Which adapters each replica has ready, as engines keep them: so many, the one unused longest goes
 * first. An engine says only which ones are in use; those that it keeps besides are the latest ones
 * before them, ours counted as soon as they are sent.
 */
export class Adapters {
  /** By replica, the latest first; undefined where the engine says nothing of adapters. */
  readonly #ready: (string[] | undefined)[];
  readonly #slots: Int32Array;
  /** What a load takes each replica. */
  readonly #loadSeconds: Float64Array;

  /** `loadSeconds`: what a load is believed to take until one has been seen. */
  constructor(replicas: number, loadSeconds: number) {
    this.#ready = Array.from({ length: replicas }, () => undefined);
    this.#slots = new Int32Array(replicas);
    this.#loadSeconds = new Float64Array(replicas).fill(loadSeconds);
  }

  /** What the replica takes until it has the adapter ready. */
  loadSeconds(replica: number, adapter: string): number {
    return this.isReady(replica, adapter) ? 0 : this.#loadSeconds[replica]!;
  }

  /** A first event came so much later than without the load that was before it. */
  learnLoad(replica: number, seconds: number): void {
    const known = this.#loadSeconds[replica]!;
    this.#loadSeconds[replica] = known + loadWeight * (Math.max(0, seconds) - known);
  }

  /** True where the adapter need not be loaded first, or nobody says. */
  isReady(replica: number, adapter: string): boolean {
    const ready = this.#ready[replica];
    return ready === undefined || ready.includes(adapter);
  }

  /** The engine's own word; undefined: it says nothing of adapters (any more). */
  hear(replica: number, news: AdapterNews | undefined): void {
    if (news === undefined) {
      this.#ready[replica] = undefined;
      return;
    }
    this.#slots[replica] = Math.min(slotsMax, Math.max(1, news.slots));
    this.#ready[replica] ??= [];
    for (const adapter of news.inUse) {
      this.use(replica, adapter);
    }
  }

  /** A request for the adapter goes there. */
  use(replica: number, adapter: string): void {
    const ready = this.#ready[replica];
    if (ready === undefined) {
      return;
    }
    const at = ready.indexOf(adapter);
    if (at >= 0) {
      ready.splice(at, 1);
    }
    ready.unshift(adapter);
    ready.length = Math.min(ready.length, this.#slots[replica]!);
  }

  /** The replica died: it begins with none. */
  lose(replica: number): void {
    if (this.#ready[replica] !== undefined) {
      this.#ready[replica] = [];
    }
  }
}
