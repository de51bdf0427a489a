/**
 * Ties a chain of keys to a root: 53 bits in, 53 bits out, one to one for a given root. Keys can so
 * be found before everything that the root stands for has been read, and kept for other roots.
 */
export function mixKey(key: number, root: number): number {
  const low = Math.imul((key ^ root) + 0x9e3779b9, 0x85ebca6b);
  const spread = low ^ (low >>> 15);
  const high =
    (Math.floor(key / 2 ** 32) ^ Math.floor(root / 2 ** 32) ^ (spread >>> 7)) & 0x1f_ffff;
  return high * 2 ** 32 + (spread >>> 0);
}

/** {@link mixKey} for a whole list. */
export function mixKeys(keys: ArrayLike<number>, root: number): Float64Array {
  const mixed = new Float64Array(keys.length);
  for (let index = 0; index < keys.length; index += 1) mixed[index] = mixKey(keys[index]!, root);
  return mixed;
}
