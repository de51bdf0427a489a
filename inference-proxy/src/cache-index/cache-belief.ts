import { CacheIndex } from "./cache-index.ts";
import { HistoryIndex } from "./history-index.ts";
import type { PrefixKey } from "./types.ts";

/** The keys of a prompt, as far as beliefs about caches go. */
export interface KeyedPrompt {
  readonly keys: ArrayLike<PrefixKey>;
  /** Leading keys that stand for whole chunks. */
  readonly chunks: number;
  readonly chunkTokens: number;
  /** True when the keys are the engine's own blocks: what it tells of them is the truth. */
  readonly isExact: boolean;
}

/**
 * Keys kept for a replica that does not say how much its cache holds: enough for a large GPU's
 * cache in chunks of a kilobyte of text.
 */
const keysMaxUnknown = 65_536;
/** What an engine evicts it tells; these bounds are for events that were lost. */
const toldKeysMaxUnknown = 1_000_000;
/** No engine shares smaller blocks. */
const blockTokensMin = 16;
/** Keys of a block: its own, and those of the texts that end in it. */
const keysPerBlock = 2;
/**
 * The part of a cache that our own history may claim to be there: what was missed where it was
 * believed lowers it, what was found raises it again.
 */
const survival = { start: 1, least: 0.2, miss: 0.97, hit: 1.002 } as const;

/**
 * So much less than believed is no miss: chunks and blocks do not meet, and bytes are no tokens.
 */
const slack = { tokens: 256, share: 0.1 } as const;

/** Of a jump search: what is forgotten is forgotten from the end, so nothing is missed. */
const jumpChunks = 16;

/**
 * What each replica is believed to have cached: by its engine's events where it sends them and the
 * prompt's keys are its blocks, by our own history everywhere else. The cached tokens of each
 * answer audit the history: it reaches as far back as what survives there.
 */
export class CacheBelief {
  readonly #history: HistoryIndex;
  readonly #told: CacheIndex;
  readonly #toldDepths: Int32Array;
  readonly #isTrusted: boolean[];
  #trusted = 0;
  readonly #capacityTokens: (number | undefined)[];
  readonly #survival: Float64Array;

  constructor(replicas: number) {
    const bounds = Array.from({ length: replicas }, () => keysMaxUnknown);
    this.#history = new HistoryIndex(bounds);
    this.#told = new CacheIndex(bounds.map(() => toldKeysMaxUnknown));
    this.#toldDepths = new Int32Array(replicas);
    this.#isTrusted = bounds.map(() => false);
    this.#capacityTokens = bounds.map(() => undefined);
    this.#survival = new Float64Array(replicas).fill(survival.start);
  }

  /** KV tokens of a replica, as its engine says. */
  setCapacity(replica: number, tokens: number): void {
    this.#capacityTokens[replica] = tokens;
    const blocksMax = Math.ceil(tokens / blockTokensMin);
    this.#told.setKeysMax(replica, blocksMax * keysPerBlock);
    this.#history.setKeysMax(replica, blocksMax);
  }

  /** Writes how many leading chunks of the prompt each replica is believed to hold. */
  writeDepths(prompt: KeyedPrompt, depths: Int32Array): void {
    const { keys, chunks, isExact } = prompt;
    const keyAt = (chunk: number) => keys[chunk]!;
    this.#history.writeDepths(keyAt, chunks, jumpChunks, depths);
    if (!isExact || this.#trusted === 0) {
      return;
    }
    this.#told.writeDepths(keyAt, chunks, this.#toldDepths);
    for (let replica = 0; replica < depths.length; replica += 1) {
      if (this.#isTrusted[replica] === true) {
        depths[replica] = this.#toldDepths[replica]!;
      }
    }
  }

  /** The prompt goes to the replica. Returns the number by which {@link unsent} knows it. */
  sent(replica: number, { keys, chunks, chunkTokens }: KeyedPrompt, nowMs: number): number {
    const capacity = this.#capacityTokens[replica];
    if (capacity !== undefined) {
      this.#history.setTokensMax(replica, capacity * this.#survival[replica]!);
    }
    const keyAt = (chunk: number) => keys[chunk]!;
    return this.#history.record(replica, keyAt, chunks, nowMs, true, chunkTokens);
  }

  /** What was sent under that number was served nothing: the replica has computed none of it. */
  unsent(replica: number, { keys, chunks }: KeyedPrompt, sending: number): void {
    this.#history.unrecord(replica, (chunk) => keys[chunk]!, chunks, sending);
  }

  /**
   * Its answer came: so many tokens of it were cached where `believedTokens` were believed to be.
   * The prompt itself is in the cache now, so nothing of it is forgotten; but what was missed says
   * that the cache reaches less far back than was thought.
   */
  audit(replica: number, believedTokens: number, cachedTokens: number): void {
    const isMissed = cachedTokens < believedTokens * (1 - slack.share) - slack.tokens;
    const kept = this.#survival[replica]! * (isMissed ? survival.miss : survival.hit);
    this.#survival[replica] = Math.min(survival.start, Math.max(survival.least, kept));
  }

  stored(replica: number, keys: readonly PrefixKey[]): void {
    for (const key of keys) {
      this.#told.add(replica, key);
    }
  }

  /** Each of several ranks behind one address tells of its own copies: the last one counts. */
  removed(replica: number, keys: readonly PrefixKey[]): void {
    for (const key of keys) {
      if (this.#told.delete(replica, key)) {
        this.#history.delete(replica, key);
      }
    }
  }

  cleared(replica: number): void {
    this.#told.clear(replica);
    this.#history.clear(replica);
  }

  /** Its events have a hole: what they told is worth nothing, our own history is what it was. */
  forgotten(replica: number): void {
    this.#told.clear(replica);
  }

  trusted(replica: number, isTrusted: boolean): void {
    if (this.#isTrusted[replica] === isTrusted) {
      return;
    }
    this.#isTrusted[replica] = isTrusted;
    this.#trusted += isTrusted ? 1 : -1;
  }
}
