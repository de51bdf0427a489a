import { type PrefixKey, ReplicaSets } from "../cache-index/index.ts";

/** A chunk of prompt that sessions of one replica have in common. */
interface Owned {
  sessions: number;
  readonly tokens: number;
}

/**
 * The prefixes of admitted sessions, each chunk counted once however many share it: what a replica
 * needs to hold so that none of them computes anything twice.
 */
export class OwnedPrefixes {
  readonly #sets: ReplicaSets;
  readonly #owned: readonly Map<PrefixKey, Owned>[];
  /** Distinct tokens for each replica. */
  readonly tokens: Float64Array;
  /** Of these, what more than one session has. */
  readonly sharedTokens: Float64Array;
  /** What sessions of other proxies need there, as those say. */
  readonly foreignTokens: Float64Array;

  constructor(replicas: number) {
    this.#sets = new ReplicaSets(replicas);
    this.#owned = Array.from({ length: replicas }, () => new Map<PrefixKey, Owned>());
    this.tokens = new Float64Array(replicas);
    this.sharedTokens = new Float64Array(replicas);
    this.foreignTokens = new Float64Array(replicas);
  }

  /** Returns the tokens that nobody owned there before. */
  add(replica: number, key: PrefixKey, tokens: number): number {
    const chunks = this.#owned[replica]!;
    const known = chunks.get(key);
    if (known !== undefined) {
      known.sessions += 1;
      if (known.sessions === 2) {
        this.sharedTokens[replica]! += known.tokens;
      }
      return 0;
    }
    chunks.set(key, { sessions: 1, tokens });
    this.#sets.add(key, replica);
    this.tokens[replica]! += tokens;
    return tokens;
  }

  delete(replica: number, key: PrefixKey): void {
    const chunks = this.#owned[replica]!;
    const known = chunks.get(key);
    if (known === undefined) {
      return;
    }
    known.sessions -= 1;
    if (known.sessions > 0) {
      if (known.sessions === 1) {
        this.sharedTokens[replica]! -= known.tokens;
      }
      return;
    }
    chunks.delete(key);
    this.#sets.delete(key, replica);
    this.tokens[replica]! -= known.tokens;
  }

  /** Writes how many leading chunks of the prompt each replica's sessions own already. */
  writeDepths(keys: ArrayLike<PrefixKey>, chunks: number, depths: Int32Array): void {
    this.#sets.writeDepths((index) => keys[index]!, chunks, jumpChunks, depths);
  }
}

/** Of a jump search: see `ReplicaSets`. */
const jumpChunks = 8;
