import type { CacheEvent } from "../../engine/types.ts";
import { blockDigest, type ExtraKeys, rootDigest, shortHash } from "./block-hashes.ts";
import type { StoredTokens } from "./types.ts";
import type { WireEvent, WireHash } from "./wire-batch.ts";

/** What names the engine's blocks as vLLM would. */
export interface BlockNames {
  /** The event with vLLM's hashes; undefined when nobody knows the request's tokens any more. */
  wireEvent(event: CacheEvent): WireEvent | undefined;
  /** Distinct blocks in the cache, by its own events. */
  readonly size: number;
}

/** How blocks are named. */
export interface BlockNamesOptions {
  /** Integers of 64 bits, or the whole digests. */
  readonly hash: "int" | "bytes";
  readonly seed: string;
}

interface Named {
  readonly digest: Uint8Array;
  /** Copies in the cache: a block can be stored twice, and each copy is removed by itself. */
  copies: number;
}

/** Names for one engine's blocks; remembers those that are in the cache. */
export function createBlockNames(stored: StoredTokens, options: BlockNamesOptions): BlockNames {
  const { blockTokens } = stored;
  const root = rootDigest(options.seed);
  const named = new Map<number, Named>();
  const wire = (digest: Uint8Array): WireHash =>
    options.hash === "int" ? shortHash(digest) : digest;

  /** A parent is in the cache while its children are made; if not, its chain is hashed again. */
  const digestBefore = (event: CacheEvent & { type: "stored" }): Uint8Array | undefined => {
    if (event.parentKey === undefined) return root;
    const known = named.get(event.parentKey);
    if (known !== undefined) return known.digest;
    return digestsOf(event.requestId, 0, event.firstBlock, root)?.at(-1);
  };

  const digestsOf = (
    requestId: number,
    firstBlock: number,
    count: number,
    parent: Uint8Array,
  ): Uint8Array[] | undefined => {
    const tokenIds = stored.tokensOf(requestId, firstBlock, count);
    if (tokenIds.length < count * blockTokens) return undefined;
    const salt = stored.saltOf(requestId);
    const digests: Uint8Array[] = [];
    let before = parent;
    for (let index = 0; index < count; index++) {
      const tokens = tokenIds.slice(index * blockTokens, (index + 1) * blockTokens);
      const extraKeys = extraKeysOf(firstBlock + index, salt);
      before = blockDigest(before, tokens, extraKeys);
      digests.push(before);
    }
    return digests;
  };

  const onStored = (event: CacheEvent & { type: "stored" }): WireEvent | undefined => {
    const { requestId, firstBlock, keys } = event;
    const before = digestBefore(event);
    const digests =
      before === undefined ? undefined : digestsOf(requestId, firstBlock, keys.length, before);
    if (before === undefined || digests === undefined) return undefined;
    for (const [index, key] of keys.entries()) {
      const known = named.get(key);
      if (known === undefined) named.set(key, { digest: digests[index]!, copies: 1 });
      else known.copies += 1;
    }
    const salt = stored.saltOf(requestId);
    return {
      type: "BlockStored",
      hashes: digests.map(wire),
      parent: event.parentKey === undefined ? undefined : wire(before),
      tokenIds: stored.tokensOf(requestId, firstBlock, keys.length),
      blockTokens,
      // Published bare, hashed tagged.
      extraKeys: keys.map((_, index) => (firstBlock + index === 0 && salt ? [salt] : null)),
      sessionId: stored.sessionOf(requestId),
    };
  };

  return {
    get size() {
      return named.size;
    },
    wireEvent(event) {
      switch (event.type) {
        case "stored":
          return onStored(event);
        case "removed": {
          const known = named.get(event.key);
          if (known === undefined) return undefined;
          known.copies -= 1;
          if (known.copies === 0) named.delete(event.key);
          return { type: "BlockRemoved", hash: wire(known.digest) };
        }
        case "cleared":
          named.clear();
          return { type: "AllBlocksCleared" };
      }
    },
  };
}

/** Of the keys that vLLM adds to a hash the replica has one: the salt, in a chain's first block. */
function extraKeysOf(block: number, salt: string | undefined): ExtraKeys | undefined {
  return block === 0 && salt ? [["cache_salt", salt]] : undefined;
}
