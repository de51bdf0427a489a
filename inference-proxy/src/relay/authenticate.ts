import type { KeyService } from "@warmpath/proto/state";
import {
  type Bus,
  type Counter,
  keysRevokedSubject,
  type ServiceClient,
  servicePrincipal,
} from "@warmpath/runtime";
import { type CancelSignal, type Clock, WarmpathError } from "@warmpath/runtime/base";
import type { Caller } from "../call/types.ts";

/** Finds out whose an API key is. */
export interface Authenticator {
  /**
   * The caller of `Authorization: Bearer <key>`, at once where the header is known; throws or
   * rejects with `rejected-unauthenticated` for any other.
   */
  authenticate(authorization: string | null, signal?: CancelSignal): Caller | Promise<Caller>;
  close(): void;
}

/** How long and how many keys are remembered. */
export interface KeyCacheLimits {
  readonly keysMax: number;
  readonly ttlMs: number;
  readonly unknownTtlMs: number;
  /** Look-ups under way at once. */
  readonly lookUpsMax: number;
}

interface Entry {
  /** Undefined: there is no such key. */
  readonly caller: Caller | undefined;
  readonly untilMs: number;
}

/**
 * Known keys by the header that brought them, in this process's memory only: a second request of
 * the same client costs no hash. Forgotten with the hashes they stand for.
 */
type KnownHeaders = Map<string, Entry>;

/** Longest key that is hashed at all. */
const keyCharsMax = 512;
const bearerChars = "Bearer ".length;
const lookUpTimeoutMs = 5000;
const busyRetryMs = 1000;

/**
 * Asks the store through a short cache of hashes. Any revocation announced on the bus empties the
 * cache, and what a look-up under way brings is not kept: they are rare, and forgetting too much
 * only costs look-ups. Known keys and unknown ones have a cache each.
 */
export async function createAuthenticator(options: {
  readonly keys: ServiceClient<typeof KeyService>;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly limits: KeyCacheLimits;
  readonly lookUps: Counter<"result">;
}): Promise<Authenticator> {
  const { clock, limits, lookUps } = options;
  const known = new Map<string, Entry>();
  const headers: KnownHeaders = new Map();
  const unknown = new Map<string, Entry>();
  const pending = new Map<string, Promise<Entry>>();
  let revoked = 0;
  const revocations = await options.bus.subscribe(keysRevokedSubject(), () => {
    revoked += 1;
    known.clear();
    headers.clear();
    // Whoever comes from now on must not be told what was true before.
    pending.clear();
  });

  const lookUp = createLookUp(options);

  const remember = (hash: string, entry: Entry): void => {
    keep(entry.caller === undefined ? unknown : known, hash, entry, limits.keysMax);
  };

  const find = async (key: string): Promise<Entry> => {
    const secretHash = new Bun.CryptoHasher("sha256").update(key).digest();
    const hash = secretHash.toString("base64");
    const cached = known.get(hash) ?? unknown.get(hash);
    if (cached !== undefined && cached.untilMs > clock.monotonicMs()) {
      lookUps.inc({ result: "cached" });
      return cached;
    }
    known.delete(hash);
    unknown.delete(hash);
    // Everybody who comes with the same key in the meantime waits for the same answer.
    const flying = pending.get(hash);
    if (flying !== undefined) {
      return await flying;
    }
    if (pending.size >= limits.lookUpsMax) {
      const message = "Too many API keys are being checked at once.";
      throw new WarmpathError("rejected-unavailable", message, { retryAfterMs: busyRetryMs });
    }
    const revokedBefore = revoked;
    const asked = lookUp(secretHash).finally(() => {
      if (pending.get(hash) === asked) {
        pending.delete(hash);
      }
    });
    pending.set(hash, asked);
    const entry = await asked;
    lookUps.inc({ result: entry.caller === undefined ? "unknown" : "found" });
    if (entry.caller === undefined || revokedBefore === revoked) {
      remember(hash, entry);
    }
    return entry;
  };

  const check = async (header: string, signal: CancelSignal | undefined): Promise<Caller> => {
    const key = /^Bearer +(\S+)$/i.exec(header)?.[1];
    if (key === undefined || key.length > keyCharsMax) {
      throw wrongKey("You did not provide an API key: send it as `Authorization: Bearer …`.");
    }
    headers.delete(header);
    const revokedBefore = revoked;
    const entry = await find(key);
    signal?.throwIfAborted();
    if (entry.caller === undefined) {
      throw wrongKey("Incorrect API key provided.");
    }
    // One spelling a key: with more spaces it could be written in any number, of any length.
    if (revokedBefore === revoked && header.length === bearerChars + key.length) {
      keep(headers, header, entry, limits.keysMax);
    }
    return entry.caller;
  };

  return {
    authenticate: (authorization, signal) => {
      const header = authorization ?? "";
      const seen = headers.get(header);
      if (seen?.caller !== undefined && seen.untilMs > clock.monotonicMs()) {
        lookUps.inc({ result: "cached" });
        return seen.caller;
      }
      return check(header, signal);
    },
    close: () => revocations.close(),
  };
}

/** Asks the store for one key. */
function createLookUp({
  keys,
  clock,
  limits,
}: {
  readonly keys: ServiceClient<typeof KeyService>;
  readonly clock: Clock;
  readonly limits: KeyCacheLimits;
}): (secretHash: Uint8Array) => Promise<Entry> {
  return async (secretHash) => {
    try {
      const { key } = await keys.lookUpKey(
        { secretHash },
        { principal: servicePrincipal("inference-proxy"), timeoutMs: lookUpTimeoutMs },
      );
      const caller = key && {
        tenant: key.tenant,
        user: key.user,
        keyId: key.keyId,
        requestsPerMinute: key.limits?.requestsPerMinute ?? 0,
      };
      return { caller, untilMs: clock.monotonicMs() + limits.ttlMs };
    } catch (thrown) {
      const error = WarmpathError.from(thrown);
      if (error.code === "not_found") {
        return { caller: undefined, untilMs: clock.monotonicMs() + limits.unknownTtlMs };
      }
      const message = "API keys cannot be checked now.";
      throw new WarmpathError("rejected-unavailable", message, {
        cause: error,
        retryAfterMs: 1000,
      });
    }
  };
}

/** Keeps an entry, and forgets the oldest one beyond so many. */
function keep(entries: Map<string, Entry>, name: string, entry: Entry, max: number): void {
  entries.set(name, entry);
  if (entries.size > max) {
    const [oldest = ""] = entries.keys();
    entries.delete(oldest);
  }
}

function wrongKey(message: string): WarmpathError {
  return new WarmpathError("rejected-unauthenticated", message);
}
