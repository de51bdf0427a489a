/**
 * Goal: who follows the events, with replay where some are missing, knows the engine's cache
 * exactly. Oracle: the engine's own answer about what its cache would serve.
 */
import { afterEach, describe, expect, test } from "bun:test";
import { decodeKvMessage, type KvMessage } from "@warmpath/inference-proxy/kv-events";
import { readTestdata } from "@warmpath/inference-proxy/testing";
import { loadConfig } from "@warmpath/runtime/base";
import { createSubscriber } from "@warmpath/runtime/zmtp";
import { openKvEvents } from "./open-kv-events.ts";
import { kvEventOptions } from "./options.ts";
import {
  blocksIn,
  blockTokens,
  closeOpened,
  indexOf,
  ipc,
  range,
  replayOf,
  scriptedStore,
  startEngine,
  startScripted,
  storedEvent,
  subscribe,
  track,
} from "./testing/publishers.ts";

afterEach(closeOpened);

describe("the events of an engine under pressure", () => {
  for (const format of ["map", "array"] as const) {
    for (const hash of ["int", "bytes"] as const) {
      test(`reproduce its cache, as ${format}s with ${hash} hashes`, async () => {
        const flags = { "kv-events-format": format, "kv-events-hash": hash };
        const { publisher, runRequests, cachedBlocks } = await startEngine(flags);
        const { messages, count } = await subscribe(publisher);
        const prompts = runRequests(60);
        await count(publisher.counts.batches);
        const copies = indexOf(messages);
        expect(messages.map(({ sequence }) => sequence)).toEqual(range(messages.length));
        expect(prompts.some((prompt) => cachedBlocks(prompt) === 0)).toBe(true);
        expect(prompts.some((prompt) => cachedBlocks(prompt) > 3)).toBe(true);
        for (const prompt of prompts) {
          expect(blocksIn(copies, prompt)).toBe(cachedBlocks(prompt));
        }
      });
    }
  }

  test("that are lost leave a gap, and a replay fills it", async () => {
    let isLost = false;
    const { publisher, runRequests, cachedBlocks } = await startEngine({}, () => isLost);
    const { messages, count } = await subscribe(publisher);
    runRequests(10);
    await count(publisher.counts.batches);
    isLost = true;
    runRequests(10);
    isLost = false;
    const lostFrom = messages.length;
    const lostUntil = publisher.counts.batches;
    const prompts = runRequests(10);
    await count(publisher.counts.batches - publisher.counts.lost);
    expect(publisher.counts.lost).toBe(lostUntil - lostFrom);
    expect(messages[lostFrom]?.sequence).toBe(lostUntil);
    const filled = await replayOf(publisher, lostFrom);
    const known = [...messages.slice(0, lostFrom), ...filled.messages];
    expect(known.map(({ sequence }) => sequence)).toEqual(range(publisher.counts.batches));
    const copies = indexOf(known);
    for (const prompt of prompts) expect(blocksIn(copies, prompt)).toBe(cachedBlocks(prompt));
  });

  test("carry salts and sessions, and follow the parent", async () => {
    const { publisher, publish } = await startScripted();
    const { messages, count } = await subscribe(publisher);
    publish([storedEvent(0, [1, 2], undefined)]);
    publish([{ type: "removed", key: 2 }, storedEvent(1, [3], 1)]);
    await count(2);
    const [first, second] = messages.map(({ batch }) => batch);
    expect(first!.atMs).toBe(1_795_193_756_977.5);
    expect(first!.rank).toBe(0);
    const [stored] = first!.events;
    expect(stored).toMatchObject({
      parent: undefined,
      extraKeys: [["tenant-a"], undefined],
      sessionId: "sess-1",
      medium: "GPU",
      blockTokens,
    });
    const [removed, child] = second!.events;
    if (stored?.type !== "stored") throw new Error("expected blocks to be stored");
    expect(removed).toEqual({
      type: "removed",
      hashes: [stored.hashes[1]!],
      medium: "GPU",
      group: 0,
    });
    expect(child).toMatchObject({ parent: stored.hashes[0]!, extraKeys: [undefined] });
  });

  test("tell of a cleared cache only with the next batch", async () => {
    const { publisher, publish } = await startScripted();
    const { messages, count } = await subscribe(publisher);
    publish([storedEvent(0, [1], undefined)]);
    publish([{ type: "cleared" }]);
    expect(publisher.counts.batches).toBe(1);
    publish([storedEvent(0, [2], undefined)]);
    await count(2);
    const types = messages.map(({ batch }) => batch.events.map(({ type }) => type));
    expect(types).toEqual([["stored"], ["cleared", "stored"]]);
  });

  test("of a request that nobody knows any more are left out and counted", async () => {
    const { publisher, publish } = await startScripted({}, () => []);
    publish([storedEvent(0, [1], undefined)]);
    expect(publisher.counts).toMatchObject({ batches: 0, unnamed: 1 });
  });
});

describe("the replay socket", () => {
  test("answers a DEALER with the frames that vLLM was recorded to send", async () => {
    const { publisher, publish } = await startScripted({ "kv-events-topic": "kv@tiny" });
    for (const key of range(5)) publish([storedEvent(0, [key], undefined)]);
    const { frames } = await replayOf(publisher, 3);
    const recorded = JSON.parse(readTestdata("kv-events/replay.json").toString()) as {
      readonly replies: readonly (readonly string[])[];
    };
    const shape = (reply: readonly string[]) => [reply[0], reply[1], reply[2]!.length, !reply[3]];
    expect(frames.map(shape)).toEqual(recorded.replies.map(shape));
    expect(frames.at(-1)).toEqual([...recorded.replies.at(-1)!]);
  });

  test("answers a start in the future with the end mark alone", async () => {
    const { publisher, publish } = await startScripted();
    publish([storedEvent(0, [1], undefined)]);
    expect((await replayOf(publisher, 7)).frames).toEqual([["", "", "f".repeat(16), ""]]);
  });

  test("keeps only the last batches", async () => {
    const { publisher, publish } = await startScripted({ "kv-events-buffer-steps": "4" });
    for (const key of range(11)) publish([storedEvent(0, [key], undefined)]);
    const { messages } = await replayOf(publisher, 0);
    expect(messages.map(({ sequence }) => sequence)).toEqual([7, 8, 9, 10]);
  });

  test("cut short on demand has no end mark, and asking again from the last goes on", async () => {
    const { publisher, publish } = await startScripted({ "kv-events-replay-max": "3" });
    for (const key of range(7)) publish([storedEvent(0, [key], undefined)]);
    const first = await replayOf(publisher, 0, 3);
    const second = await replayOf(publisher, 3, 3);
    const last = await replayOf(publisher, 6);
    const sequences = [first, second, last].flatMap(({ messages }) =>
      messages.map(({ sequence }) => sequence),
    );
    expect(sequences).toEqual(range(7));
  });

  test("sends thousands of batches without losing one", async () => {
    const { publisher, publish } = await startScripted();
    for (const key of range(4_300)) publish([storedEvent(0, [key], undefined)]);
    const { messages } = await replayOf(publisher, 0);
    expect(messages.map(({ sequence }) => sequence)).toEqual(range(4_300));
  });
});

describe("the publisher", () => {
  test("describes itself as a recorded vLLM does", async () => {
    const { publisher } = await startScripted({ "kv-events-topic": "kv@tiny" });
    const { endpoint, replay_endpoint: replayEndpoint, ...rest } = publisher.describe();
    expect(endpoint).toStartWith("ipc://");
    expect(replayEndpoint).toStartWith("ipc://");
    expect(rest).toEqual({
      enable_kv_cache_events: true,
      publisher: "zmq",
      buffer_steps: 10_000,
      hwm: 100_000,
      max_queue_size: 100_000,
      topic: "kv@tiny",
    });
  });

  test("connects to a plain address, where the subscriber has bound", async () => {
    const heard = Promise.withResolvers<KvMessage>();
    const subscriber = await createSubscriber({
      endpoint: "tcp://127.0.0.1:0",
      mode: "bind",
      topics: [""],
      onMessage: (frames) => heard.resolve(decodeKvMessage(frames)),
    });
    track(subscriber);
    const { publisher, publish } = await startScripted({
      "kv-events-endpoint": subscriber.endpoint,
    });
    while (publisher.counts.subscribers === 0) await Bun.sleep(1);
    publish([storedEvent(0, [1], undefined)]);
    expect((await heard.promise).sequence).toBe(0);
  });

  test("is none where no endpoint is named", async () => {
    const settings = loadConfig(kvEventOptions, { env: {}, flags: {} });
    const stored = { ...scriptedStore(() => []), isLost: () => false };
    expect(await openKvEvents(settings, stored)).toBeUndefined();
  });

  test("frees its endpoint when its replay endpoint is taken", async () => {
    const { publisher } = await startScripted();
    const taken = String(publisher.describe()["replay_endpoint"]);
    const endpoint = ipc();
    const flags = { "kv-events-endpoint": endpoint, "kv-events-replay-endpoint": taken };
    await expect(startScripted(flags)).rejects.toThrow("cannot listen on");
    await startScripted({ "kv-events-endpoint": endpoint });
  });
});
