import type { Chain, HashBytes } from "./types.ts";

/**
 * The chained hashes of a conversation. `root` names what separates caches from each other (tenant
 * and model), so equal text of two tenants never meets.
 */
export function chainOf(
  messages: Iterable<Uint8Array | string>,
  root: string,
  hash: HashBytes,
): Chain {
  const chain: bigint[] = [];
  let seed = hash(root, 0n);
  for (const message of messages) {
    seed = hash(message, seed);
    chain.push(seed);
  }
  return chain;
}
