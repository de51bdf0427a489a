import type { Clock } from "@warmpath/runtime/base";

/** Requests that have ended engines, by what they were. */
export interface PoisonMemory {
  /** False as long as nothing is remembered: then nobody needs to know what a request is. */
  readonly isInUse: boolean;
  remember(tenant: string, identity: string, guilt: Guilt): void;
  /** Undefined for one that nothing is held against. */
  guiltOf(tenant: string, identity: string): Guilt | undefined;
  /** It got its first event: nothing is held against it any more. */
  clear(tenant: string, identity: string): void;
}

/** `suspect`: one engine died with it. `proven`: a second one, with no other suspect there. */
export type Guilt = "suspect" | "proven";

interface Entry {
  readonly guilt: Guilt;
  readonly untilMs: number;
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
  const tenants = new Map<string, Map<string, Entry>>();
  const clear = (tenant: string, identity: string) => {
    const entries = tenants.get(tenant);
    if (entries?.delete(identity) === true && entries.size === 0) {
      tenants.delete(tenant);
    }
  };
  return {
    get isInUse() {
      return tenants.size > 0;
    },
    remember: (tenant, identity, guilt) => {
      const entries = tenants.get(tenant) ?? new Map<string, Entry>();
      const untilMs = clock.monotonicMs() + limits.ttlMs;
      putLast(tenants, tenant, entries, limits.tenantsMax);
      putLast(entries, identity, { guilt, untilMs }, limits.entriesMax);
    },
    guiltOf: (tenant, identity) => {
      const entry = tenants.get(tenant)?.get(identity);
      if (entry !== undefined && entry.untilMs <= clock.monotonicMs()) {
        clear(tenant, identity);
        return undefined;
      }
      return entry?.guilt;
    },
    clear,
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
