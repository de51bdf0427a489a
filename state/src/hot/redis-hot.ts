import { type Logger, messageOf, WarmpathError } from "@warmpath/runtime/base";
import { Redis } from "ioredis";
import type { HotStore } from "./hot-store.ts";

/** Where Redis is. */
export interface RedisHotOptions {
  readonly url: string;
  readonly log: Logger;
  /** Leads every key. Default "warmpath:". */
  readonly keyPrefix?: string;
  /** Longest wait for one answer, in ms. Default 500: a hot copy that takes longer is not hot. */
  readonly commandMsMax?: number;
}

const commandMsMaxDefault = 500;
const reconnectMsMax = 1000;

/**
 * Scripts compare sequence numbers as texts of 20 digits: Lua's numbers are doubles, which lose the
 * last bits. A copy is a hash of `s` (sequence) and `b` (bytes).
 */
const setIfNewerLua = `
local seq = redis.call('HGET', KEYS[1], 's')
if seq and seq > ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 's', ARGV[1], 'b', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1`;

const appendLua = `
local seq = redis.call('HGET', KEYS[1], 's')
local offset, max = tonumber(ARGV[3]), tonumber(ARGV[4])
local before = ''
if seq == ARGV[1] then
  before = redis.call('HGET', KEYS[1], 'b')
  if #before ~= offset then return 0 end
elseif (seq and seq > ARGV[1]) or offset ~= 0 then
  return 0
end
if #before + #ARGV[2] > max then return 0 end
redis.call('HSET', KEYS[1], 's', ARGV[1], 'b', before .. ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return 1`;

const seqDigits = 20;

function seqText(seq: bigint): string {
  return seq.toString().padStart(seqDigits, "0");
}

/**
 * The hot store in Redis. While Redis is away every call fails at once, and it reconnects in the
 * background.
 */
export function createRedisHot(options: RedisHotOptions): HotStore {
  const redis = new Redis(options.url, {
    keyPrefix: options.keyPrefix ?? "warmpath:",
    commandTimeout: options.commandMsMax ?? commandMsMaxDefault,
    // Fail instead of queueing: a copy that is written late is worth nothing.
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    enableAutoPipelining: true,
    retryStrategy: (times) => Math.min(reconnectMsMax, times * 100),
  });
  let isAway = false;
  redis.on("error", (error) => {
    if (!isAway) {
      isAway = true;
      options.log.warn("redis is away: hot copies are skipped", { reason: messageOf(error) });
    }
  });
  redis.on("ready", () => {
    if (isAway) {
      isAway = false;
      options.log.info("redis is back");
    }
  });
  const first = firstConnection(redis);
  const ask = async <T>(work: () => Promise<T>): Promise<T> => {
    await first;
    try {
      return await work();
    } catch (error) {
      throw new WarmpathError("failed-unavailable", "redis did not answer", { cause: error });
    }
  };
  return {
    get: (key) =>
      ask(async () => {
        const [seq, bytes] = await redis.hmgetBuffer(key, "s", "b");
        return seq == null || bytes == null
          ? undefined
          : { seq: BigInt(seq.toString()), bytes: new Uint8Array(bytes) };
      }),
    setIfNewer: (key, value, ttlMs) =>
      ask(async () => {
        const bytes = Buffer.from(value.bytes);
        const set = await redis.eval(setIfNewerLua, 1, key, seqText(value.seq), bytes, ttlMs);
        return set === 1;
      }),
    append: (key, piece) =>
      ask(async () => {
        const { offset, sizeMaxBytes, ttlMs } = piece;
        const bytes = Buffer.from(piece.bytes);
        const seq = seqText(piece.seq);
        return (await redis.eval(appendLua, 1, key, seq, bytes, offset, sizeMaxBytes, ttlMs)) === 1;
      }),
    delete: (key) => ask(async () => void (await redis.del(key))),
    ready: () => ask(async () => void (await redis.ping())),
    async close() {
      redis.disconnect();
    },
  };
}

/** The first attempt to connect, whatever comes of it: calls made before its end wait for it. */
function firstConnection(redis: Redis): Promise<void> {
  return new Promise((resolve) => {
    redis.once("ready", resolve);
    redis.once("close", resolve);
    redis.once("error", () => resolve());
  });
}
