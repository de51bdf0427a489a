/**
 * vLLM's block hashes with `--prefix-caching-hash-algo sha256_cbor`, which anybody can compute
 * again: SHA-256 over the canonical CBOR of (parent digest, token ids, extra keys).
 */
import { encode } from "cborg";

const digestBytes = 32;

/** What enters a block's hash beside its tokens: tagged values in vLLM's order, or nothing. */
export type ExtraKeys = readonly (readonly [tag: string, ...values: readonly string[]])[];

/** The parent of every first block: the digest of the seed. */
export function rootDigest(seed: string): Uint8Array {
  return sha256(encode(seed));
}

/** Digest of one full block. Checked against digests that a vLLM 0.32.0 published. */
export function blockDigest(
  parent: Uint8Array,
  tokenIds: readonly number[],
  extraKeys: ExtraKeys | undefined,
): Uint8Array {
  return sha256(encode([parent, tokenIds, extraKeys ?? null]));
}

/** The digest's low 64 bits, big-endian: how vLLM names a block unless told otherwise. */
export function shortHash(digest: Uint8Array): bigint {
  return new DataView(digest.buffer, digest.byteOffset).getBigUint64(digestBytes - 8);
}

function sha256(bytes: Uint8Array): Uint8Array {
  const digest = new Uint8Array(digestBytes);
  Bun.SHA256.hash(bytes, digest);
  return digest;
}
