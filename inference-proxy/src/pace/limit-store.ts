import type { Calendar } from "./types.ts";

/*
 * The port to buckets that several proxies share. A proxy holds a part of each bucket as a lease
 * and spends from it without asking. What it says is absolute, never a difference, so an answer
 * that was lost costs nothing: the next claim says the same again.
 */

/** What one holder says of one bucket, and what it asks of it. */
export interface Claim {
  /** Name of the bucket. */
  readonly bucket: string;
  /** The proxy and its count of leases of this bucket: never used again once a lease lapsed. */
  readonly holder: string;
  /** True until the first answer to this holder. */
  readonly isFirst: boolean;
  /** Units per period, or units at once where `periodMs` is 0. */
  readonly amount: number;
  readonly periodMs: number;
  /** Of a budget: the bucket is of one day or month, and forgotten some time after it. */
  readonly calendar?: Calendar | undefined;
  /**
   * Of a budget's new lease: the one before it, and how much of that one's spending the store is
   * known to have heard; the rest is what this one begins with. The store may have heard more, in
   * a claim whose answer was lost, and then charges only what is new.
   */
  readonly before?: Told | undefined;
  /** Units that this holder has used since it began. Of concurrency: in use now. */
  readonly spent: number;
  /** Units that it keeps of all it was granted since it began, the spent ones included. */
  readonly kept: number;
  /** Units without which it cannot go on; granted to all claims of one exchange or to none. */
  readonly need: number;
  /** Units that others are waiting for here; granted as far as they are there. */
  readonly wish: number;
  /** Units to hold in reserve; granted while plenty is left. */
  readonly slice: number;
}

/** What a holder told of its spending. */
export interface Told {
  readonly holder: string;
  readonly spent: number;
}

/** What became of a claim. */
export interface Grant {
  /**
   * Replaces `kept`; undefined: the store has forgotten this holder, and nothing was done for any
   * claim of the exchange.
   */
  readonly kept: number | undefined;
  /** What is left in the bucket beyond all leases; below zero is debt. */
  readonly left: number;
}

/** Shared buckets. */
export interface LimitStore {
  /**
   * Takes in what all claims say, then grants every `need` or none, in one atomic step by the
   * store's own clock. A lease lapses when its holder is silent for `leaseMs`: what it had not
   * spent by its own last word comes back, of concurrency all of it. Throws when the store cannot
   * be reached; then the exchange may or may not have happened.
   */
  exchange(claims: readonly Claim[], leaseMs: number): Promise<Exchanged>;
  close(): Promise<void>;
}

/** The answer to all claims, in their order. */
export interface Exchanged {
  readonly isGranted: boolean;
  readonly grants: readonly Grant[];
}

/**
 * Part of what is left that goes out as reserve at once: a slice gets smaller as its bucket
 * empties, so that little lies idle at one proxy while another has to refuse.
 */
export const sliceShareMax = 0.05;

/**
 * How long the store remembers what a lapsed lease of a budget had told, in ms: a proxy that comes
 * back within this is charged nothing twice. An hour: a store that is away for longer is rare, and
 * what is in doubt is one claim's spending, a second or two of it.
 */
export const lapsedKeptMs = 3_600_000;
