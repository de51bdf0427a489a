import { assert } from "@warmpath/runtime/base";
import { createRankedLine, type Ranked, type RankedLine } from "./ranked-line.ts";
import type { Service, Unit } from "./types.ts";

/** What a lane knows of one who waits. */
export interface Asking extends Ranked {
  readonly tenant: string;
  readonly bytes: number;
}

/** The tenant with most in a lane, and who of it goes last. */
export interface Heaviest<W> {
  readonly waiting: number;
  readonly last: W;
}

/**
 * The line of one lane, shared evenly between tenants: each is charged for its service in tokens,
 * and of those who wait the one who had least goes first. Within a tenant it is first come first
 * served.
 *
 * The virtual token counter of Sheng et al., Fairness in Serving Large Language Models, OSDI 2024
 * (arXiv:2401.00588): a tenant that comes back rises to the least counter of those who are there,
 * so nobody saves up service by being idle, and nobody pays for having been alone. What is being
 * served counts in the order, by a guess, but not in that level: who comes to a full house goes
 * first until it holds as much of it as the others.
 */
export interface FairLane<W extends Asking> {
  /** How many wait. */
  readonly size: number;
  /** How many tenants are remembered. */
  readonly tenants: number;
  join(waiting: W): void;
  /** True if it was still waiting. */
  leave(waiting: W): boolean;
  /** Who goes next; of a tenant whose first is one of `passed`, nobody does. */
  next(passed?: ReadonlySet<W>): W | undefined;
  /**
   * About how many go before one of this tenant who joins now: its own, and of every other tenant
   * as many as take turns with those.
   */
  ahead(tenant: string): number;
  /** How much waits, in requests or bytes. */
  waiting(unit: Unit): number;
  /** How much of a tenant waits. */
  waitingOf(tenant: string, unit: Unit): number;
  /** The tenant of which most waits; undefined when nobody does. */
  heaviest(unit: Unit): Heaviest<W> | undefined;
  /** All who wait, tenant by tenant. */
  everyone(): readonly W[];
  /** Charges a tenant for a request that starts now. */
  serve(tenant: string, serviceTokens: number): Service;
}

interface Tenant<W extends Asking> {
  /** Tokens of service that have ended, beginning at the level at which the tenant came. */
  counter: number;
  /** Tokens of service under way, as guessed. */
  guessed: number;
  readonly waiting: RankedLine<W>;
  /** Of all who wait. */
  bytes: number;
  inService: number;
}

/** Tenants held before idle ones are first looked for. */
const sweptSizeMin = 64;

/** Makes the line of one lane. */
export function createFairLane<W extends Asking>(): FairLane<W> {
  const tenants = new Map<string, Tenant<W>>();
  let size = 0;
  let bytes = 0;
  let sweepAtSize = sweptSizeMin;

  /** The least counter of those who wait or are served; undefined when nobody is there. */
  const level = (): number | undefined => {
    let least: number | undefined;
    for (const tenant of tenants.values()) {
      if (isThere(tenant) && (least === undefined || tenant.counter < least)) {
        least = tenant.counter;
      }
    }
    return least;
  };

  /**
   * Forgets those who are gone and not ahead of the level: they are as good as new. While nobody
   * waits, nobody is behind, and those ahead are forgiven. Looks only when the tenants have
   * doubled, so that a request pays for a constant number.
   */
  const forgetGone = (levelNow: number): void => {
    if (tenants.size < sweepAtSize) {
      return;
    }
    for (const [name, tenant] of tenants) {
      const isAhead = size > 0 && tenant.counter > levelNow;
      if (!isThere(tenant) && !isAhead) {
        tenants.delete(name);
      }
    }
    sweepAtSize = Math.max(sweptSizeMin, 2 * tenants.size);
  };

  /** The tenant, who is about to wait or to be served. */
  const enter = (name: string): Tenant<W> => {
    const known = tenants.get(name);
    if (known !== undefined && isThere(known)) {
      return known;
    }
    const levelNow = level();
    if (levelNow === undefined) {
      // The lane was empty: whatever anyone had, nobody went short for it.
      tenants.clear();
    } else {
      forgetGone(levelNow);
    }
    const counter = Math.max(tenants.get(name)?.counter ?? 0, levelNow ?? 0);
    const waiting = createRankedLine<W>();
    const tenant = { counter, guessed: 0, waiting, bytes: 0, inService: 0 };
    tenants.set(name, tenant);
    return tenant;
  };

  return {
    get size() {
      return size;
    },
    get tenants() {
      return tenants.size;
    },
    join: (waiting) => {
      const tenant = enter(waiting.tenant);
      tenant.waiting.join(waiting);
      tenant.bytes += waiting.bytes;
      bytes += waiting.bytes;
      size += 1;
    },
    leave: (waiting) => {
      const tenant = tenants.get(waiting.tenant);
      if (tenant?.waiting.leave(waiting) !== true) {
        return false;
      }
      tenant.bytes -= waiting.bytes;
      bytes -= waiting.bytes;
      size -= 1;
      return true;
    },
    next: (passed) => leastServed(tenants.values(), passed)?.waiting.first,
    ahead: (name) => aheadOf(tenants, name),
    waiting: (unit) => (unit === "bytes" ? bytes : size),
    waitingOf: (name, unit) => {
      const tenant = tenants.get(name);
      return tenant === undefined ? 0 : amountOf(tenant, unit);
    },
    heaviest: (unit) => heaviestOf(tenants.values(), unit),
    everyone: () => [...tenants.values()].flatMap(({ waiting }) => waiting.everyone()),
    serve: (name, serviceTokens) => startService(enter(name), serviceTokens),
  };
}

function startService<W extends Asking>(tenant: Tenant<W>, serviceTokens: number): Service {
  tenant.guessed += serviceTokens;
  tenant.inService += 1;
  let isSettled = false;
  return {
    settle: (tokens) => {
      if (isSettled) {
        return;
      }
      isSettled = true;
      tenant.counter += tokens;
      tenant.inService -= 1;
      tenant.guessed -= serviceTokens;
      assert(tenant.inService >= 0, "nothing is settled that was not served");
    },
  };
}

function leastServed<W extends Asking>(
  tenants: Iterable<Tenant<W>>,
  passed: ReadonlySet<W> | undefined,
): Tenant<W> | undefined {
  let least: Tenant<W> | undefined;
  for (const tenant of tenants) {
    if (hasOneToGo(tenant, passed) && (least === undefined || hadLess(tenant, least))) {
      least = tenant;
    }
  }
  return least;
}

function aheadOf<W extends Asking>(tenants: ReadonlyMap<string, Tenant<W>>, name: string): number {
  const own = tenants.get(name)?.waiting.size ?? 0;
  let ahead = own;
  for (const [other, { waiting }] of tenants) {
    ahead += other === name ? 0 : Math.min(waiting.size, own + 1);
  }
  return ahead;
}

function heaviestOf<W extends Asking>(
  tenants: Iterable<Tenant<W>>,
  unit: Unit,
): Heaviest<W> | undefined {
  let heaviest: Tenant<W> | undefined;
  for (const tenant of tenants) {
    if (heaviest === undefined || amountOf(tenant, unit) > amountOf(heaviest, unit)) {
      heaviest = tenant;
    }
  }
  const last = heaviest?.waiting.last;
  return heaviest === undefined || last === undefined
    ? undefined
    : { waiting: amountOf(heaviest, unit), last };
}

function amountOf<W extends Asking>({ waiting, bytes }: Tenant<W>, unit: Unit): number {
  return unit === "bytes" ? bytes : waiting.size;
}

function hasOneToGo<W extends Asking>({ waiting }: Tenant<W>, passed?: ReadonlySet<W>): boolean {
  return waiting.first !== undefined && passed?.has(waiting.first) !== true;
}

function isThere<W extends Asking>({ waiting, inService }: Tenant<W>): boolean {
  return waiting.size > 0 || inService > 0;
}

function hadLess<W extends Asking>(one: Tenant<W>, other: Tenant<W>): boolean {
  return one.counter + one.guessed < other.counter + other.guessed;
}
