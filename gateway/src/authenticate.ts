import { createHash } from "node:crypto";
import type { Key } from "@warmpath/proto/state";
import { type Bus, keysRevokedSubject, type Principal } from "@warmpath/runtime";
import { type Clock, WarmpathError } from "@warmpath/runtime/base";
import type { GatewayConfig } from "./config.ts";
import { type BoundedMap, createBoundedMap } from "./limits/bounded-map.ts";
import type { GatewayMetrics } from "./metrics.ts";

/** Limits of a caller's key; 0 means none. */
export interface CallerLimits {
  readonly requestsPerMinute: number;
  readonly concurrentTasks: number;
  readonly conversationMessages: number;
}

/** Who calls, and how much they may. */
export interface Caller {
  readonly principal: Principal;
  readonly limits: CallerLimits;
}

/** Finds out who calls from `Authorization: Bearer KEY`. */
export interface Authenticator {
  /** Throws `rejected-unauthenticated`, or `rejected-unavailable` when nobody can tell. */
  authenticate(headers: Headers): Promise<Caller>;
  close(): void;
}

/** What the authenticator stands on. */
export interface AuthenticatorDeps {
  /** Asks for the key with this hash; undefined when there is none that is valid. */
  readonly lookUp: (secretHash: Uint8Array) => Promise<Key | undefined>;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly metrics: GatewayMetrics;
  readonly config: Pick<
    GatewayConfig,
    "keyCacheMs" | "unknownKeyCacheMs" | "keyCacheEntriesMax" | "keyLookupsMax"
  >;
}

/**
 * One sentence for every way of failing, so that it does not tell a guesser which part was right.
 */
const refusalSentence =
  'Send a valid API key as "Authorization: Bearer KEY": it is missing, unknown or revoked.';

/** A key longer than this is none of ours, and is not worth hashing. */
const secretCharsMax = 512;
const busyRetryMs = 1_000;
const downRetryMs = 2_000;

/** What is remembered of a key: the caller, or that there is none. */
interface Entry {
  readonly caller: Caller | undefined;
  readonly expiresMs: number;
}

/**
 * Only a hash of the key is ever kept or sent. What was found, and what was not, is remembered for
 * a short time in two bounded maps (so that made-up keys cannot push out real ones), and dropped at
 * once when the bus says that a key was revoked.
 */
export async function createAuthenticator(deps: AuthenticatorDeps): Promise<Authenticator> {
  const cache = new KeyCache(deps);
  const subject = keysRevokedSubject();
  const subscription = await deps.bus.subscribe(subject, (payload) => {
    cache.revoke(Buffer.from(payload).toString("utf8"));
  });
  return {
    async authenticate(headers) {
      const secret = bearerOf(headers);
      const caller = secret === undefined ? undefined : await cache.find(secret);
      if (caller === undefined) {
        deps.metrics.refusals.inc({ limit: "key" });
        throw new WarmpathError("rejected-unauthenticated", refusalSentence);
      }
      return caller;
    },
    close: () => subscription.close(),
  };
}

function bearerOf(headers: Headers): string | undefined {
  const match = /^Bearer +(\S+) *$/i.exec(headers.get("authorization") ?? "");
  const secret = match?.[1];
  return secret !== undefined && secret.length <= secretCharsMax ? secret : undefined;
}

class KeyCache {
  readonly #deps: AuthenticatorDeps;
  readonly #known: BoundedMap<string, Entry>;
  readonly #unknown: BoundedMap<string, Entry>;
  readonly #flights = new Map<string, Promise<Caller | undefined>>();
  /** Counts revocations, so that a look-up that one overtook is not remembered. */
  #revocations = 0;

  constructor(deps: AuthenticatorDeps) {
    this.#deps = deps;
    this.#known = createBoundedMap(deps.config.keyCacheEntriesMax);
    this.#unknown = createBoundedMap(deps.config.keyCacheEntriesMax);
  }

  async find(secret: string): Promise<Caller | undefined> {
    const hash = createHash("sha256").update(secret).digest();
    const name = hash.toString("base64");
    const entry = this.#known.get(name) ?? this.#unknown.get(name);
    if (entry !== undefined && entry.expiresMs > this.#deps.clock.monotonicMs()) {
      this.#deps.metrics.keyLookups.inc({ from: "cache" });
      return entry.caller;
    }
    const flying = this.#flights.get(name);
    if (flying !== undefined) {
      return await flying;
    }
    if (this.#flights.size >= this.#deps.config.keyLookupsMax) {
      this.#deps.metrics.refusals.inc({ limit: "lookups" });
      const sentence = "Too many keys are being checked at once; retry in a second.";
      throw new WarmpathError("rejected-queue-full", sentence, { retryAfterMs: busyRetryMs });
    }
    const flight = this.#lookUp(name, hash).finally(() => this.#flights.delete(name));
    this.#flights.set(name, flight);
    return await flight;
  }

  /** Forgets the key; its next use asks again. */
  revoke(keyId: string): void {
    this.#revocations += 1;
    for (const [name, entry] of [...this.#known.entries()]) {
      if (entry.caller?.principal.keyId === keyId) {
        this.#known.delete(name);
      }
    }
  }

  async #lookUp(name: string, hash: Uint8Array): Promise<Caller | undefined> {
    const { clock, config, lookUp, metrics } = this.#deps;
    const revocations = this.#revocations;
    let key: Key | undefined;
    try {
      key = await lookUp(hash);
    } catch (cause) {
      metrics.keyLookups.inc({ from: "error" });
      const sentence = "Keys cannot be checked right now; retry in a moment.";
      const options = { cause, retryAfterMs: downRetryMs };
      throw new WarmpathError("rejected-unavailable", sentence, options);
    }
    metrics.keyLookups.inc({ from: "state" });
    const caller = key === undefined ? undefined : callerFromKey(key);
    this.#known.delete(name);
    this.#unknown.delete(name);
    const nowMs = clock.monotonicMs();
    if (caller === undefined) {
      this.#unknown.set(name, { caller, expiresMs: nowMs + config.unknownKeyCacheMs });
    } else if (revocations === this.#revocations) {
      this.#known.set(name, { caller, expiresMs: nowMs + config.keyCacheMs });
    }
    return caller;
  }
}

function callerFromKey({ tenant, user, keyId, limits }: Key): Caller {
  return {
    principal: { tenant, user, keyId, agentChain: [] },
    limits: {
      requestsPerMinute: limits?.requestsPerMinute ?? 0,
      concurrentTasks: limits?.concurrentTasks ?? 0,
      conversationMessages: limits?.conversationMessages ?? 0,
    },
  };
}
