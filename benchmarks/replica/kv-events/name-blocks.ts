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

  const digestsOf = (
    { requestId, firstBlock }: { readonly requestId: number; readonly firstBlock: number },
    tokenIds: readonly number[],
    parent: Uint8Array,
  ): Uint8Array[] => {
    const salt = stored.saltOf(requestId);
    const digests: Uint8Array[] = [];
    for (let at = 0; at < tokenIds.length; at += blockTokens) {
      const extraKeys = extraKeysOf(firstBlock + digests.length, salt);
      const tokens = tokenIds.slice(at, at + blockTokens);
      digests.push(blockDigest(digests.at(-1) ?? parent, tokens, extraKeys));
    }
    return digests;
  };

  /** A parent is in the cache while its children are made; if not, its chain is hashed again. */
  const digestBefore = (event: CacheEvent & { type: "stored" }): Uint8Array | undefined => {
    if (event.parentKey === undefined) return root;
    const known = named.get(event.parentKey);
    if (known !== undefined) return known.digest;
    const { requestId, firstBlock } = event;
    const tokenIds = stored.tokensOf(requestId, 0, firstBlock);
    return digestsOf({ requestId, firstBlock: 0 }, tokenIds, root).at(-1);
  };

  const onStored = (event: CacheEvent & { type: "stored" }): WireEvent | undefined => {
    const { requestId, firstBlock, keys } = event;
    const before = digestBefore(event);
    const tokenIds = stored.tokensOf(requestId, firstBlock, keys.length);
    if (before === undefined || tokenIds.length < keys.length * blockTokens) return undefined;
    const digests = digestsOf(event, tokenIds, before);
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
      tokenIds,
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
