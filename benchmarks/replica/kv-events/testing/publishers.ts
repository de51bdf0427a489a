import { expect } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  decodeKvMessage,
  decodeKvReplay,
  encodeKvReplayRequest,
  type KvMessage,
} from "@warmpath/inference-proxy/kv-events";
import { loadConfig, seededRandom } from "@warmpath/runtime/base";
import { createDealer, createSubscriber } from "@warmpath/runtime/zmtp";
import { createEngine, createTokenChainSpace, tiny } from "../../../engine/index.ts";
import type { CacheEvent } from "../../../engine/types.ts";
import { blockDigest, rootDigest, shortHash } from "../block-hashes.ts";
import { type KvEvents, openKvEvents } from "../open-kv-events.ts";
import { kvEventOptions } from "../options.ts";

export const blockTokens = 16;
const seed = "vllm-none-hash";
const folder = mkdtempSync(join(tmpdir(), "warmpath-kv-events-"));
let files = 0;
const open: { close(): Promise<void> }[] = [];
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

/** Closes whatever the test has opened, the latest first. */
export async function closeOpened(): Promise<void> {
  for (const socket of open.splice(0).toReversed()) await socket.close();
}

/** Has it closed at the end of the test. */
export function track<Closable extends { close(): Promise<void> }>(socket: Closable): Closable {
  open.push(socket);
  return socket;
}

type Flags = Readonly<Record<string, string>>;

/** Settings with endpoints that nobody uses. */
function settingsOf(flags: Flags) {
  return loadConfig(kvEventOptions, {
    env: {},
    flags: { "kv-events-endpoint": ipc(), "kv-events-replay-endpoint": ipc(), ...flags },
  });
}

/** An engine with a small cache, its publisher, and prompts that share prefixes. */
export async function startEngine(flags: Flags, isLost: () => boolean = () => false) {
  const space = createTokenChainSpace({ blockTokens });
  const tokensOfRequest = new Map<number, readonly number[]>();
  const publisher = await opened(flags, {
    blockTokens,
    tokensOf: (id, first, count) =>
      tokensOfRequest.get(id)!.slice(first * blockTokens, (first + count) * blockTokens),
    saltOf: () => undefined,
    sessionOf: () => undefined,
    isLost,
  });
  let nowMs = 0;
  let nextId = 1;
  const random = seededRandom(5);
  const draw = (count: number) =>
    Array.from({ length: count }, () => Math.floor(random.next() * 50_000));
  const shared = range(16).map(() => draw(100));
  const engine = createEngine(
    { profile: tiny, blocks: 64, blockTokens, stepTokensMax: 128, seed: 1 },
    { onCacheEvents: (events) => publisher.publish(events, nowMs) },
  );
  return {
    publisher,
    /** Runs requests two at a time; returns what they were made of. */
    runRequests(count: number): readonly (readonly number[])[] {
      const all = range(count).map(() => {
        const head = shared[Math.floor(random.next() * shared.length)]!;
        const prompt = [...head, ...draw(1 + Math.floor(random.next() * 150))];
        const output = draw(1 + Math.floor(random.next() * 60));
        return { prompt, tokens: [...prompt, ...output], output };
      });
      for (const [index, { prompt, tokens, output }] of all.entries()) {
        tokensOfRequest.set(nextId, tokens);
        engine.add(
          {
            id: nextId++,
            chain: space.chainOf(tokens),
            promptTokens: prompt.length,
            outputTokens: output.length,
          },
          nowMs,
        );
        if (index % 2 === 0) continue;
        while (engine.busyUntilMs !== undefined) {
          nowMs = engine.busyUntilMs;
          engine.advance(nowMs);
        }
      }
      return all.map(({ tokens }) => tokens);
    },
    /** Full blocks of these tokens that the engine would serve from its cache. */
    cachedBlocks: (tokens: readonly number[]) =>
      engine.cachedTokens(space.chainOf([...tokens, 0]), tokens.length + 1) / blockTokens,
  };
}

/** A publisher without an engine. */
export async function startScripted(
  flags: Flags = {},
  tokensOf: (first: number, count: number) => readonly number[] = (first, count) =>
    range(count * blockTokens).map((index) => first * 1_000 + index),
) {
  const publisher = await opened(flags, { ...scriptedStore(tokensOf), isLost: () => false });
  return {
    publisher,
    publish: (events: readonly CacheEvent[]) => publisher.publish(events, 1_795_193_756_977.5),
  };
}

/** Tokens of blocks by their number, one tenant's and one session's. */
export function scriptedStore(tokensOf: (first: number, count: number) => readonly number[]) {
  return {
    blockTokens,
    tokensOf: (_: number, first: number, count: number) => tokensOf(first, count),
    saltOf: () => "tenant-a",
    sessionOf: () => "sess-1",
  };
}

async function opened(flags: Flags, stored: Parameters<typeof openKvEvents>[1]): Promise<KvEvents> {
  const publisher = await openKvEvents(settingsOf(flags), stored);
  if (publisher === undefined) throw new Error("an endpoint was named");
  track(publisher);
  return publisher;
}

/** Follows a publisher from now on. */
export async function subscribe(publisher: KvEvents) {
  const messages: KvMessage[] = [];
  let wake: () => void = () => undefined;
  const subscriber = await createSubscriber({
    endpoint: String(publisher.describe()["endpoint"]),
    mode: "connect",
    topics: [""],
    onMessage(frames) {
      messages.push(decodeKvMessage(frames));
      wake();
    },
  });
  track(subscriber);
  while (publisher.counts.subscribers === 0) await Bun.sleep(1);
  return {
    messages,
    async count(wanted: number) {
      while (messages.length < wanted) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

/** Asks for a replay and reads it up to its end mark, or up to so many messages. */
export async function replayOf(publisher: KvEvents, start: number, messagesMax = Infinity) {
  const frames: string[][] = [];
  const messages: KvMessage[] = [];
  const ended = Promise.withResolvers<void>();
  const dealer = createDealer({
    endpoint: String(publisher.describe()["replay_endpoint"]),
    onConnected: () => void dealer.send(encodeKvReplayRequest(start)),
    onMessage(reply) {
      frames.push(reply.map((frame) => Buffer.from(frame).toString("hex")));
      const message = decodeKvReplay(reply);
      if (message !== undefined) messages.push(message);
      if (message === undefined || messages.length === messagesMax) ended.resolve();
    },
  });
  track(dealer);
  await ended.promise;
  return { frames, messages };
}

/** Copies of each block after all these messages. */
export function indexOf(messages: readonly KvMessage[]): ReadonlyMap<bigint, number> {
  const copies = new Map<bigint, number>();
  const change = (hash: bigint, by: number) => {
    const count = (copies.get(hash) ?? 0) + by;
    expect(count).toBeGreaterThanOrEqual(0);
    if (count === 0) copies.delete(hash);
    else copies.set(hash, count);
  };
  for (const { batch } of messages) {
    for (const event of batch.events) {
      if (event.type === "cleared") copies.clear();
      else for (const hash of event.hashes) change(hash, event.type === "stored" ? 1 : -1);
    }
  }
  return copies;
}

/** Full blocks from the start of `tokens` that are in the index, hashed as a client would. */
export function blocksIn(copies: ReadonlyMap<bigint, number>, tokens: readonly number[]): number {
  let before = rootDigest(seed);
  for (let block = 0; (block + 1) * blockTokens <= tokens.length; block++) {
    const own = tokens.slice(block * blockTokens, (block + 1) * blockTokens);
    before = blockDigest(before, own, undefined);
    if (!copies.has(shortHash(before))) return block;
  }
  return Math.floor(tokens.length / blockTokens);
}

/** Blocks that request 1 has stored. */
export function storedEvent(
  firstBlock: number,
  keys: readonly number[],
  parentKey: number | undefined,
): CacheEvent {
  return { type: "stored", requestId: 1, firstBlock, keys, parentKey };
}

/** A socket file that nobody uses. */
export function ipc(): string {
  return `ipc://${join(folder, `${files++}.sock`)}`;
}

/** 0, 1, … */
export function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
