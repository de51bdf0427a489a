import type { Clock } from "@warmpath/runtime/base";
import { type Claim, type LimitStore, lapsedKeptMs, sliceShareMax } from "./limit-store.ts";
import { type Bucket, fullBucket, refill } from "./token-bucket.ts";

/** What one holder has of a bucket. */
interface Lease {
  kept: number;
  spent: number;
  untilMs: number;
}

interface Shared {
  readonly bucket: Bucket;
  /** As it was last stated. */
  amount: number;
  readonly leases: Map<string, Lease>;
  /** Of a budget: leases that lapsed lately; they hold nothing, and what they spent is spent. */
  readonly lapsed: Map<string, Lease>;
}

/**
 * Shared buckets in this process: the plain version of the script that Redis runs, line by line,
 * and the same to whoever uses it.
 */
export function createMemoryLimitStore({ clock }: { readonly clock: Clock }): LimitStore {
  const buckets = new Map<string, Shared>();

  const open = (claim: Claim, nowMs: number): Shared => {
    const shared = buckets.get(claim.bucket) ?? {
      bucket: fullBucket(claim, nowMs),
      amount: claim.amount,
      leases: new Map<string, Lease>(),
      lapsed: new Map<string, Lease>(),
    };
    buckets.set(claim.bucket, shared);
    restate(shared, claim);
    expire(shared, claim, nowMs);
    return shared;
  };

  return {
    exchange: async (claims, leaseMs) => {
      const nowMs = clock.monotonicMs();
      const opened = claims.map((claim) => ({ claim, shared: open(claim, nowMs) }));
      const isLost = ({ claim, shared }: (typeof opened)[number]) =>
        !claim.isFirst && !shared.leases.has(claim.holder);
      if (opened.some(isLost)) {
        const grants = opened.map((each) => ({
          kept: isLost(each) ? undefined : each.claim.kept,
          left: each.shared.bucket.left,
        }));
        return { isGranted: false, grants };
      }
      for (const { claim, shared } of opened) {
        report(shared, claim, nowMs + leaseMs);
      }
      const isGranted = canGrantAll(opened);
      if (isGranted) {
        for (const { claim, shared } of opened) {
          grantNeed(shared, claim);
        }
        for (const { claim, shared } of opened) {
          grantRest(shared, claim);
        }
      }
      const grants = opened.map(({ claim, shared }) => ({
        kept: shared.leases.get(claim.holder)?.kept ?? 0,
        left: shared.bucket.left,
      }));
      return { isGranted, grants };
    },
    close: async () => buckets.clear(),
  };
}

/** What a budget was raised or lowered by counts at once: nothing refills or caps it later. */
function restate(shared: Shared, { amount, calendar }: Claim): void {
  if (calendar !== undefined) {
    shared.bucket.left += amount - shared.amount;
  }
  shared.amount = amount;
}

/** Takes back the leases of holders that fell silent, then refills. */
function expire({ bucket, leases, lapsed }: Shared, claim: Claim, nowMs: number): void {
  for (const [holder, lease] of lapsed) {
    if (lease.untilMs <= nowMs) {
      lapsed.delete(holder);
    }
  }
  for (const [holder, lease] of leases) {
    if (lease.untilMs <= nowMs) {
      leases.delete(holder);
      bucket.left += lease.kept - lease.spent;
      if (claim.calendar !== undefined) {
        lapsed.set(holder, { ...lease, kept: lease.spent, untilMs: nowMs + lapsedKeptMs });
      }
    }
  }
  refill(bucket, claim, nowMs);
  settle(bucket, leases, claim);
}

/** Of concurrency what is left follows from the leases alone; of the rest they bound it. */
function settle(bucket: Bucket, leases: ReadonlyMap<string, Lease>, claim: Claim): void {
  const most = mostLeft(leases, claim);
  bucket.left = claim.periodMs === 0 ? most : Math.min(bucket.left, most);
}

/** All of the limit but what is out in leases: what was granted and not spent, or is in use. */
function mostLeft(leases: ReadonlyMap<string, Lease>, claim: Claim): number {
  let out = 0;
  for (const { kept, spent } of leases.values()) {
    out += claim.periodMs === 0 ? kept : kept - spent;
  }
  return claim.amount - out;
}

/** Of what a new lease of a budget begins with: the part that was heard, and charged, before. */
function heardOf({ leases, lapsed }: Shared, { holder, before, calendar }: Claim): number {
  if (calendar === undefined || leases.has(holder)) {
    return 0;
  }
  const own = lapsed.get(holder);
  const last = before && (leases.get(before.holder) ?? lapsed.get(before.holder));
  return own?.spent ?? (last === undefined ? 0 : last.spent - (before?.spent ?? 0));
}

/** Sets the holder's lease to what it says; the difference goes back, or is debt. */
function report(shared: Shared, claim: Claim, untilMs: number): void {
  const { bucket, leases, lapsed } = shared;
  bucket.left += heardOf(shared, claim);
  lapsed.delete(claim.holder);
  lapsed.delete(claim.before?.holder ?? "");
  const before = leases.get(claim.holder)?.kept ?? 0;
  const kept = Math.max(claim.kept, claim.spent);
  bucket.left += before - kept;
  leases.set(claim.holder, { kept, spent: claim.spent, untilMs });
  settle(bucket, leases, claim);
}

interface Opened {
  readonly claim: Claim;
  readonly shared: Shared;
}

/**
 * Needs of one bucket are added up. A need above the whole limit goes when the bucket is as full as
 * leases let it be, and at least half full; it leaves debt.
 */
function canGrantAll(opened: readonly Opened[]): boolean {
  const promised = new Map<Shared, number>();
  return opened.every(({ claim: { need, amount }, claim, shared }) => {
    if (need <= 0) {
      return true;
    }
    const before = promised.get(shared) ?? 0;
    promised.set(shared, before + need);
    const most = mostLeft(shared.leases, claim) - before;
    const isOversized = need > amount && claim.calendar === undefined;
    return shared.bucket.left - before >= (isOversized ? Math.max(most, amount / 2) : need);
  });
}

function grantNeed({ bucket, leases }: Shared, { holder, need }: Claim): void {
  const lease = leases.get(holder);
  if (lease !== undefined) {
    lease.kept += need;
    bucket.left -= need;
  }
}

/** Wishes and slices, of what all needs have left. */
function grantRest({ bucket, leases }: Shared, claim: Claim): void {
  const lease = leases.get(claim.holder);
  if (lease === undefined) {
    return;
  }
  const wished = Math.max(0, Math.min(claim.wish, Math.floor(bucket.left)));
  const afterWish = bucket.left - wished;
  const slice = Math.max(0, Math.min(claim.slice, Math.floor(afterWish * sliceShareMax)));
  lease.kept += wished + slice;
  bucket.left = afterWish - slice;
}
