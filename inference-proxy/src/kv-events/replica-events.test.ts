/**
 * Goal: one replica's streams, over sockets, end in keys that its engine holds, and in doubt where
 * that cannot be said. Oracle: the recorded payloads that publishers of our own send.
 */
import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createMetrics } from "@warmpath/runtime";
import { seededRandom, silentLogger, systemClock } from "@warmpath/runtime/base";
import { createPublisher, createRouter } from "@warmpath/runtime/zmtp";
import { readTestdata } from "../testing/recordings.ts";
import { decodeKvBatch } from "./decode.ts";
import { createKvEventsMetrics } from "./metrics.ts";
import { openReplicaEvents } from "./replica-events.ts";
import type { KvSource } from "./sources.ts";
import { createTokenPrompt } from "./token-prompt.ts";

const folder = mkdtempSync(join(tmpdir(), "warmpath-replica-events-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const opened: { close(): Promise<void> }[] = [];
let sockets = 0;

afterEach(async () => {
  for (const each of opened.splice(0).toReversed()) await each.close();
});

describe("a replica with two ranks", () => {
  test("holds what either holds, and loses only what the rank that restarts had", async () => {
    const [first, second] = [await startRank(0, [chainA]), await startRank(1, [chainB])];
    const { events, told, trusted } = await follow([first.source, second.source]);
    await trusted(true);
    const [keysA, keysB] = [chainA, chainB].map(keysOf);
    expect(told).toEqual(new Set([...keysA!, ...keysB!]));
    expect([events.depthOf(keysA!), events.depthOf(keysB!)]).toEqual([
      keysA!.length,
      keysB!.length,
    ]);
    await second.restart([]);
    await until(() => told.size === keysA!.length);
    await trusted(true);
    expect(told).toEqual(new Set(keysA));
    expect(events.depthOf(keysB!)).toBe(0);
  });

  test("is not judged by answers, since the engine picks the rank", async () => {
    const [first, second] = [await startRank(0, [chainA]), await startRank(1, [chainB])];
    const { events, trusted } = await follow([first.source, second.source]);
    await trusted(true);
    for (let count = 0; count < 10; count++) events.finished(wrong, foretold);
    expect(events.trust.isTrusted).toBe(true);
  });
});

describe("a replica's events", () => {
  test("are read anew after answers that keep telling otherwise, and believed again", async () => {
    const rank = await startRank(0, [chainA]);
    const { events, trusted, tick } = await follow([rank.source]);
    await trusted(true);
    for (let count = 0; count < 3; count++) events.finished(wrong, foretold);
    expect(events.trust.isTrusted).toBe(true);
    expect(events.finished(wrong, foretold)).toBe("over");
    expect(events.trust.doubts).toEqual(["audit"]);
    const before = rank.questions();
    tick();
    await trusted(true);
    expect(rank.questions()).toBeGreaterThan(before);
    expect(events.blocks).toBe(keysOf(chainA).length);
  });

  test("are not believed after a message that is none, until all is read again", async () => {
    const rank = await startRank(0, [chainA]);
    const { events, trusted, tick } = await follow([rank.source]);
    await trusted(true);
    rank.publishRaw([new Uint8Array(), new Uint8Array(8), new Uint8Array([0xc1])]);
    await trusted(false);
    expect(events.trust.doubts).toEqual(["unreadable"]);
    tick();
    await trusted(true);
  });

  test("of other topics are not heard", async () => {
    const rank = await startRank(0, [chainA], "kv@tiny");
    const { events, trusted } = await follow([rank.source]);
    await trusted(true);
    rank.publishRaw([new Uint8Array(Buffer.from("other")), new Uint8Array(8), chainB]);
    rank.publish(chainB);
    await until(() => events.blocks === keysOf(chainA).length + keysOf(chainB).length);
    expect(events.trust.isTrusted).toBe(true);
  });

  test("say that the cache was emptied when it is, and not when they are read again", async () => {
    const rank = await startRank(0, []);
    const { events, told, gone, trusted, tick } = await follow([rank.source]);
    await trusted(true);
    // What was there before anybody told is gone, too.
    rank.publish(emptied);
    await until(() => gone.length === 1);
    rank.publish(chainA);
    await until(() => told.size > 0);
    rank.publish(emptied);
    await until(() => gone.length === 2);
    rank.publish(chainA);
    await until(() => told.size === keysOf(chainA).length);
    expect(gone).toEqual(["cleared", "cleared"]);
    for (let count = 0; count < 4; count++) events.finished(wrong, foretold);
    tick();
    await trusted(true);
    expect(told.size).toBe(keysOf(chainA).length);
    expect(gone.slice(2)).not.toContain("cleared");
  });

  test("are forgotten while the engine is out, and read again when it is back", async () => {
    const rank = await startRank(0, [chainA]);
    const { events, told, trusted } = await follow([rank.source]);
    await trusted(true);
    events.down();
    expect([events.trust.isTrusted, told.size]).toEqual([false, 0]);
    events.up();
    await trusted(true);
    expect(told.size).toBe(keysOf(chainA).length);
  });
});

/** An answer that reports less than was foretold. */
const wrong = { sentAtMs: 0, inputTokens: 64, cachedTokens: 0 };
const foretold = {
  cachedTokens: 32,
  label: undefined,
  text: undefined,
  wantsReport: false,
  settle: () => undefined,
};

/** Recorded batches that store a chain from its beginning. */
const [chainA, chainB] = ["stores", "dp2-rank1"].map(firstChain) as [Uint8Array, Uint8Array];

/** `[0.0, [["AllBlocksCleared"]]]` */
const emptied = new Uint8Array([
  ...[0x92, 0xcb, 0, 0, 0, 0, 0, 0, 0, 0, 0x91, 0x91, 0xb0],
  ...Buffer.from("AllBlocksCleared"),
]);

function firstChain(name: string): Uint8Array {
  const [payload] = readTestdata(`kv-events/${name}.jsonl`)
    .toString()
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as { readonly frames: readonly string[] }).frames[2])
    .map((hex) => new Uint8Array(Buffer.from(hex ?? "", "hex")))
    .filter((bytes) => {
      const [event] = decodeKvBatch(bytes).events;
      return event?.type === "stored" && event.parent === undefined;
    });
  if (payload === undefined) throw new Error(`${name} has no chain from its beginning`);
  return payload;
}

function keysOf(payload: Uint8Array): Float64Array {
  const [event] = decodeKvBatch(payload).events;
  if (event?.type !== "stored") throw new Error("a chain begins with a store");
  return createTokenPrompt(event.tokenIds, { salt: "", lora: "" }).keys(event.blockTokens);
}

/** A rank that publishes and replays these payloads, numbered from 0 in each of its lives. */
async function startRank(rank: number, payloads: readonly Uint8Array[], topic = "") {
  const [endpoint, replayEndpoint] = [ipc(), ipc()];
  const topicFrame = new Uint8Array(Buffer.from(topic));
  let batches = [...payloads];
  let asked = 0;
  const open = async () => {
    const publisher = await createPublisher({ endpoint, mode: "bind" });
    const router = await createRouter({
      endpoint: replayEndpoint,
      onMessage(from, [, start]) {
        asked += 1;
        const first = Number(new DataView(start!.buffer, start!.byteOffset).getBigUint64(0));
        for (const [sequence, payload] of batches.entries()) {
          if (sequence < first) continue;
          router.send(from, [new Uint8Array(), topicFrame, numbered(sequence), payload]);
        }
        const end = new Uint8Array(8).fill(0xff);
        router.send(from, [new Uint8Array(), new Uint8Array(), end, new Uint8Array()]);
      },
    });
    return { publisher, close: () => Promise.all([publisher.close(), router.close()]) };
  };
  let life = await open();
  opened.push({ close: async () => void (await life.close()) });
  const source: KvSource = { rank, endpoint, mode: "connect", replayEndpoint, topic };
  return {
    source,
    questions: () => asked,
    publish(payload: Uint8Array) {
      batches.push(payload);
      life.publisher.publish([topicFrame, numbered(batches.length - 1), payload]);
    },
    publishRaw: (frames: readonly Uint8Array[]) => life.publisher.publish(frames),
    async restart(next: readonly Uint8Array[]) {
      await life.close();
      batches = [...next];
      life = await open();
    },
  };
}

async function follow(sources: readonly KvSource[]) {
  const told = new Set<number>();
  const gone: string[] = [];
  const events = await openReplicaEvents("replica", sources, {
    clock: systemClock,
    random: seededRandom(1),
    log: silentLogger,
    metrics: createKvEventsMetrics(createMetrics("test")),
    messageBytesMax: 1_000_000,
    limits: { stallMs: 60_000, blocksMax: 1000 },
    news: {
      stored(_, keys) {
        for (const key of keys) told.add(key);
      },
      removed(_, keys) {
        for (const key of keys) told.delete(key);
      },
      cleared: () => {
        told.clear();
        gone.push("cleared");
      },
      forgotten: () => {
        told.clear();
        gone.push("forgotten");
      },
      trusted: () => undefined,
    },
  });
  opened.push(events);
  return {
    events,
    told,
    gone,
    tick: () => events.tick(),
    trusted: (isTrusted: boolean) => until(() => events.trust.isTrusted === isTrusted),
  };
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await Bun.sleep(2);
}

function numbered(sequence: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(sequence));
  return bytes;
}

function ipc(): string {
  return `ipc://${join(folder, `${sockets++}.sock`)}`;
}
