/** A fast hash of bytes that continues from `seed`; 64 bits. */
export type HashBytes = (bytes: Uint8Array | string, seed: bigint) => bigint;

/** Hash i stands for everything up to and including message i. */
export type Chain = readonly bigint[];

/** Where the longest known part of a prompt was last served. */
export interface Recalled {
  readonly replica: string;
  /** Messages of the prompt that were part of it. */
  readonly messages: number;
}
