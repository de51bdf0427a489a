import type { Clock, Logger } from "@warmpath/runtime/base";
import { RedisClient } from "bun";
import type { AnswerVault } from "./answer-vault.ts";

/** Where Redis is, and how much may be kept there. */
export interface RedisVaultOptions {
  readonly url: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Leads every key. Default "warmpath:". */
  readonly keyPrefix?: string;
  /** All shared answers together, in bytes. */
  readonly bytesMax: number;
  /** Longest wait for one answer, in ms. Default 100: generating one takes longer. */
  readonly commandMsMax?: number;
}

const commandMsMaxDefault = 100;
/** After a failure nobody asks for so long: an outage costs one request a second its wait. */
const restMs = 1000;
const reconnectsMax = 1e9;

/**
 * Shared answers in Redis, each under its key until its time is over. So that all of them together
 * stay within their bound, each period as long as that time may write half of it: no more than
 * two periods' answers are there at once.
 */
export function createRedisVault(options: RedisVaultOptions): AnswerVault {
  const { clock, log, keyPrefix = "warmpath:", commandMsMax = commandMsMaxDefault } = options;
  const redis = new RedisClient(options.url, {
    connectionTimeout: commandMsMax,
    autoReconnect: true,
    maxRetries: reconnectsMax,
    // Fail instead of queueing: an answer that comes late is worth nothing.
    enableOfflineQueue: false,
  });
  let restsUntilMs = Number.NEGATIVE_INFINITY;
  let isAway = false;
  // The first commands wait for it, as long as they may wait at all. It does not settle before
  // Redis is there: whoever waited on would hold his answer until then, and keep it much too late.
  const connected = Promise.race([redis.connect(), clock.sleep(commandMsMax)]).catch(
    () => undefined,
  );

  /** The result, or undefined when it fails or takes too long; then nobody asks for a while. */
  const attempt = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
    if (clock.monotonicMs() < restsUntilMs) {
      return undefined;
    }
    if (isAway) {
      // One finds out whether it is back, however many come while that one waits.
      restsUntilMs = clock.monotonicMs() + restMs;
    }
    const done = new AbortController();
    const late = clock.sleep(commandMsMax, done.signal).then(
      () => failed,
      () => failed,
    );
    const result = await Promise.race([connected.then(work).catch(() => failed), late]);
    done.abort();
    const hasFailed = result === failed;
    if (hasFailed !== isAway) {
      isAway = hasFailed;
      log.info(hasFailed ? "shared answers are away: each is a miss" : "shared answers are back");
    }
    restsUntilMs = hasFailed ? clock.monotonicMs() + restMs : Number.NEGATIVE_INFINITY;
    return hasFailed ? undefined : (result as T);
  };

  const keep = async (key: string, bytes: Uint8Array, ttlMs: number): Promise<void> => {
    const period = `${keyPrefix}answer-bytes:${ttlMs}:${Math.floor(clock.nowMs() / ttlMs)}`;
    const written = await redis.incrby(period, bytes.length);
    if (written === bytes.length) {
      await redis.pexpire(period, ttlMs);
    }
    if (written <= options.bytesMax / 2) {
      await redis.set(`${keyPrefix}answer:${key}`, bytes, "PX", ttlMs);
    }
  };

  return {
    find: async (key) =>
      (await attempt(() => redis.getBuffer(`${keyPrefix}answer:${key}`))) ?? undefined,
    keep: (key, bytes, ttlMs) => void attempt(() => keep(key, bytes, ttlMs)),
    close: () => redis.close(),
  };
}

const failed = Symbol("failed");
