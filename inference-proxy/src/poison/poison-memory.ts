import type { Clock } from "@warmpath/runtime/base";

/** Requests that have ended engines, by what they were. */
export interface PoisonMemory {
  /** False as long as nothing is remembered: then nobody needs to know what a request is. */
  readonly isInUse: boolean;
  remember(tenant: string, identity: string): void;
  knows(tenant: string, identity: string): boolean;
}

/** How much is remembered, and how long. */
export interface PoisonLimits {
  readonly ttlMs: number;
  /** Of one tenant; the oldest goes first. */
  readonly entriesMax: number;
  readonly tenantsMax: number;
}

/** Each tenant's are its own: no other can fill them up, or learn from a refusal what they are. */
export function createPoisonMemory(options: {
  readonly limits: PoisonLimits;
  readonly clock: Clock;
}): PoisonMemory {
  const { limits, clock } = options;
  const tenants = new Map<string, Map<string, number>>();
  return {
    get isInUse() {
      return tenants.size > 0;
    },
    remember: (tenant, identity) => {
      const entries = tenants.get(tenant) ?? new Map<string, number>();
      putLast(tenants, tenant, entries, limits.tenantsMax);
      putLast(entries, identity, clock.monotonicMs() + limits.ttlMs, limits.entriesMax);
    },
    knows: (tenant, identity) => {
      const entries = tenants.get(tenant);
      const untilMs = entries?.get(identity);
      if (entries === undefined || untilMs === undefined) {
        return false;
      }
      if (untilMs > clock.monotonicMs()) {
        return true;
      }
      entries.delete(identity);
      if (entries.size === 0) {
        tenants.delete(tenant);
      }
      return false;
    },
  };
}

function putLast<Value>(map: Map<string, Value>, key: string, value: Value, max: number): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > max && oldest !== undefined) {
    map.delete(oldest);
  }
}
