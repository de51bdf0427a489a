/**
 * Names a prompt up to the end of one of its chunks: equal key, equal prompt up to there. A whole
 * number below 2^53, so that maps of millions stay small and fast.
 */
export type PrefixKey = number;
