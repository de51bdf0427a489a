import { RecentKeys } from "./recent-keys.ts";
import { ReplicaSets } from "./replica-sets.ts";
import type { PrefixKey } from "./types.ts";

/**
 * What a router believes to be cached, from its own decisions alone: the prompt of every request it
 * sent to a replica, bounded by least recent use, and by age where somebody asks for it. Nobody
 * tells it of evictions.
 */
export class HistoryIndex {
  readonly #keysMax: number[];
  readonly #tokensMax: number[];
  readonly #sets: ReplicaSets;
  readonly #recent: RecentKeys[];
  #recordings = 0;

  /** One bound for each replica. */
  constructor(keysMax: readonly number[]) {
    this.#keysMax = [...keysMax];
    this.#tokensMax = keysMax.map(() => Number.POSITIVE_INFINITY);
    this.#sets = new ReplicaSets(keysMax.length);
    this.#recent = keysMax.map(() => new RecentKeys());
  }

  /** Keys remembered for one replica. */
  size(replica: number): number {
    return this.#recent[replica]!.size;
  }

  setKeysMax(replica: number, keysMax: number): void {
    this.#keysMax[replica] = keysMax;
    this.#shrink(replica);
  }

  /** Bounds what the keys of one replica stand for: prompts are not all cut into equal chunks. */
  setTokensMax(replica: number, tokensMax: number): void {
    this.#tokensMax[replica] = tokensMax;
    this.#shrink(replica);
  }

  /**
   * Writes how many leading keys of a prompt each replica was sent before. `stride` as in
   * {@link ReplicaSets.writeDepths}.
   */
  writeDepths(
    keyAt: (chunk: number) => PrefixKey,
    chunks: number,
    stride: number,
    depths: Int32Array,
  ): void {
    this.#sets.writeDepths(keyAt, chunks, stride, depths);
  }

  /**
   * Remembers that a prompt was sent to the replica. With `endsFirst` the end of a prompt is
   * forgotten before its beginning, as engines evict; otherwise its beginning goes first.
   * `chunkTokens`: what each key stands for. Returns the number by which {@link unrecord} knows
   * this recording: two of the same millisecond are two.
   */
  record(
    replica: number,
    keyAt: (chunk: number) => PrefixKey,
    chunks: number,
    nowMs: number,
    endsFirst: boolean,
    chunkTokens = 0,
  ): number {
    const recent = this.#recent[replica]!;
    const recording = ++this.#recordings;
    for (let step = 0; step < chunks; step++) {
      const key = keyAt(endsFirst ? chunks - 1 - step : step);
      if (recent.touch(key, nowMs, chunkTokens, recording)) this.#sets.add(key, replica);
    }
    this.#shrink(replica);
    return recording;
  }

  /** Takes a recording back: what others had recorded, or have since, stays. */
  unrecord(
    replica: number,
    keyAt: (chunk: number) => PrefixKey,
    chunks: number,
    recording: number,
  ): void {
    const recent = this.#recent[replica]!;
    for (let chunk = chunks - 1; chunk >= 0; chunk--) {
      const key = keyAt(chunk);
      if (recent.isOnlyOf(key, recording)) this.delete(replica, key);
    }
  }

  delete(replica: number, key: PrefixKey): void {
    this.#recent[replica]!.delete(key);
    this.#sets.delete(key, replica);
  }

  clear(replica: number): void {
    for (const key of this.#recent[replica]!.keys()) this.#sets.delete(key, replica);
    this.#recent[replica] = new RecentKeys();
  }

  /** Forgets what was not used since. */
  expire(beforeMs: number): void {
    for (const [replica, recent] of this.#recent.entries()) {
      while ((recent.oldest?.usedAtMs ?? beforeMs) < beforeMs) this.#forgetOldest(replica);
    }
  }

  #shrink(replica: number): void {
    const recent = this.#recent[replica]!;
    while (recent.size > this.#keysMax[replica]! || recent.tokens > this.#tokensMax[replica]!) {
      this.#forgetOldest(replica);
    }
  }

  #forgetOldest(replica: number): void {
    const { oldest } = this.#recent[replica]!;
    if (oldest !== undefined) this.delete(replica, oldest.key);
  }
}
