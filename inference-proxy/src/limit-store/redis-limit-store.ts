import { type Clock, WarmpathError } from "@warmpath/runtime/base";
import { RedisClient } from "bun";
import {
  type Claim,
  type Exchanged,
  type LimitStore,
  lapsedKeptMs,
  sliceShareMax,
} from "../pace/index.ts";
import { exchangeScript } from "./script.ts";

/** Where Redis is. */
export interface RedisLimitOptions {
  readonly url: string;
  readonly clock: Clock;
  /**
   * Leads every key. Default "warmpath:". All keys carry the hash tag `{limits}`, so that a cluster
   * keeps them in one slot: one script reads all buckets of a request.
   */
  readonly keyPrefix?: string;
  /** Longest wait for one answer, in ms. Default 250: a request waits for it at most once. */
  readonly commandMsMax?: number;
}

const commandMsMaxDefault = 250;
/** It never gives up: limits are shared again as soon as Redis is back. */
const reconnectsMax = 1e9;

/** Shared buckets in Redis 5 or later. While it is away every exchange fails at once. */
export function createRedisLimitStore(options: RedisLimitOptions): LimitStore {
  const { clock, keyPrefix = "warmpath:", commandMsMax = commandMsMaxDefault } = options;
  const redis = new RedisClient(options.url, {
    connectionTimeout: commandMsMax,
    autoReconnect: true,
    maxRetries: reconnectsMax,
    // Fail instead of queueing: an answer that comes late is worth nothing.
    enableOfflineQueue: false,
  });
  const sha = new Bun.CryptoHasher("sha1").update(exchangeScript).digest("hex");
  /**
   * Settles with the first connection, or when that has taken too long. An exchange that waited on
   * would be held for as long as Redis is away, and would then take a slice that nobody asks for.
   */
  const connected = withinMs(clock, commandMsMax, () => redis.connect()).then(
    () => undefined,
    () => undefined,
  );

  const evaluate = async (args: readonly string[]): Promise<unknown> => {
    await connected;
    try {
      return await redis.send("EVALSHA", [sha, ...args]);
    } catch (error) {
      if (String(error).includes("NOSCRIPT")) {
        return await redis.send("EVAL", [exchangeScript, ...args]);
      }
      throw error;
    }
  };

  return {
    exchange: async (claims, leaseMs) => {
      const keys = claims.map(({ bucket }) => `${keyPrefix}{limits}:${bucket}`);
      const head = [leaseMs, sliceShareMax, lapsedKeptMs];
      const args = [...head, ...claims.flatMap(claimArguments)].map(String);
      try {
        const answer = await withinMs(clock, commandMsMax, () =>
          evaluate([String(keys.length), ...keys, ...args]),
        );
        return readAnswer(answer, claims.length);
      } catch (cause) {
        throw new WarmpathError("failed-unavailable", "redis did not answer", { cause });
      }
    },
    close: async () => redis.close(),
  };
}

function claimArguments(claim: Claim): readonly (string | number)[] {
  return [
    claim.holder,
    claim.isFirst ? 1 : 0,
    claim.amount,
    claim.periodMs,
    claim.spent,
    claim.kept,
    claim.need,
    claim.wish,
    claim.slice,
    claim.calendar === undefined ? 0 : 1,
    claim.before?.holder ?? "",
    claim.before?.spent ?? 0,
  ];
}

/** A word for all, then what is kept (empty: forgotten) and what is left for each claim. */
function readAnswer(answer: unknown, count: number): Exchanged {
  if (!Array.isArray(answer) || answer.length !== 1 + 2 * count) {
    throw new WarmpathError("failed-internal", "the script of limits gave no such answer");
  }
  const [isGranted, ...rest]: readonly unknown[] = answer;
  const grants = Array.from({ length: count }, (_, index) => {
    const kept = String(rest[2 * index]);
    return { kept: kept === "" ? undefined : Number(kept), left: Number(rest[2 * index + 1]) };
  });
  return { isGranted: Number(isGranted) === 1, grants };
}

/**
 * The result, or an error when it takes longer; what comes later is dropped. The time is waited in
 * two halves: after a turn that blocked this process for long, an answer that lies in the socket is
 * read before the second half is over.
 */
async function withinMs<T>(clock: Clock, ms: number, work: () => Promise<T>): Promise<T> {
  const done = new AbortController();
  const late = async (): Promise<never> => {
    await clock.sleep(ms / 2, done.signal);
    await clock.sleep(ms / 2, done.signal);
    throw new WarmpathError("failed-timeout", `no answer within ${ms} ms`);
  };
  try {
    return await Promise.race([work(), late()]);
  } finally {
    done.abort();
  }
}
