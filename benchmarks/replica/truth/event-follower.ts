/** Follows one server's KV events, keeping what decides whether two servers say the same. */
import { Decoder } from "@msgpack/msgpack";
import {
  decodeKvMessage,
  decodeKvReplay,
  encodeKvReplayRequest,
  type KvEvent,
  type KvMessage,
} from "@warmpath/inference-proxy/kv-events";
import { after, systemClock } from "@warmpath/runtime/base";
import { createDealer, createSubscriber } from "@warmpath/runtime/zmtp";
import { shapeOf } from "../recording.ts";
import type { RunningServer } from "./start-vllm.ts";

/** A message and what a reader that knows nothing sees in it. */
export interface FollowedMessage extends KvMessage {
  /** Every path with its type, as `shapeOf` writes it. */
  readonly shape: readonly string[];
  readonly payloadBytes: number;
}

/** A follower of one server. */
export interface EventFollower {
  /** What has come since the last call, once nothing has come for a while. */
  settle(): Promise<readonly FollowedMessage[]>;
  /** Every batch that the replay socket still has, and the frames of its end mark. */
  replay(): Promise<{ messages: readonly KvMessage[]; endFrames: readonly string[] }>;
  close(): Promise<void>;
}

const replayMsMax = 20_000;

const decoder = new Decoder({ useBigInt64: true });

/**
 * Connects and waits until the subscription has had time to arrive. `quietMs` is how long after its
 * last event the server is believed to have told all.
 */
export async function followEvents(server: RunningServer, quietMs: number): Promise<EventFollower> {
  let messages: FollowedMessage[] = [];
  let lastMs = systemClock.monotonicMs();
  const connected = Promise.withResolvers<void>();
  const subscriber = await createSubscriber({
    endpoint: server.eventsEndpoint,
    mode: "connect",
    topics: [server.topic],
    onPublishers: () => connected.resolve(),
    onMessage(frames) {
      lastMs = systemClock.monotonicMs();
      const payload = frames[2] ?? new Uint8Array();
      const shape = shapeOfPayload(decoder.decode(payload));
      messages.push({ ...decodeKvMessage(frames), shape, payloadBytes: payload.length });
    },
  });
  await connected.promise;
  await systemClock.sleep(quietMs);
  return {
    async settle() {
      lastMs = systemClock.monotonicMs();
      while (systemClock.monotonicMs() - lastMs < quietMs) await systemClock.sleep(quietMs / 7);
      const taken = messages;
      messages = [];
      return taken;
    },
    replay: () => replayOf(server),
    close: () => subscriber.close(),
  };
}

async function replayOf(server: RunningServer) {
  const messages: KvMessage[] = [];
  const ended = Promise.withResolvers<readonly string[]>();
  const dealer = createDealer({
    endpoint: server.replayEndpoint,
    onConnected: (isConnected) => {
      if (isConnected) dealer.send(encodeKvReplayRequest(0));
    },
    onMessage(frames) {
      const message = decodeKvReplay(frames);
      if (message === undefined) {
        ended.resolve(frames.map((frame) => Buffer.from(frame).toString("hex")));
      } else messages.push(message);
    },
  });
  const timer = after(systemClock, replayMsMax, () => ended.resolve(["no end mark"]));
  const endFrames = await ended.promise;
  timer.cancel();
  await dealer.close();
  return { messages, endFrames };
}

/** Hashes are integers of any size or bytes; which of the two is all that a shape tells. */
function shapeOfPayload(payload: unknown): string[] {
  return [...new Set(shapeOf(plain(payload)))].toSorted();
}

function plain(value: unknown): unknown {
  if (typeof value === "bigint") return 0;
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plain(member)]));
}

/**
 * One event in a line, with all that must be equal. Long lists of hashes are told by their first,
 * their last and a digest of all.
 */
export function describeEvent(event: KvEvent, nameOf: (hash: bigint) => string): string {
  const list = (hashes: readonly bigint[]) => {
    const names = hashes.map(nameOf);
    if (names.length <= 2) return names.join(" ");
    const digest = Bun.hash.wyhash(names.join(" ")).toString(16);
    return `${names[0]} … ${names.at(-1)} (${names.length} blocks, ${digest})`;
  };
  switch (event.type) {
    case "cleared":
      return "cleared";
    case "removed":
      return `removed ${list(event.hashes)} ${event.medium} group ${event.group}`;
    case "stored": {
      const parent = event.parent === undefined ? "none" : nameOf(event.parent);
      const extraKeys = (event.extraKeys ?? []).flatMap((keys, block) =>
        keys === undefined ? [] : [`block ${block}: ${JSON.stringify(keys)}`],
      );
      return [
        `stored ${list(event.hashes)} after ${parent}: ${event.tokenIds.length} tokens`,
        `in blocks of ${event.blockTokens}, ${event.extraKeys?.length} extra keys`,
        `[${extraKeys.join(", ")}], ${event.medium} group ${event.group}`,
        `${event.specKind}, session ${event.sessionId ?? "none"}`,
      ].join(" ");
    }
  }
}
