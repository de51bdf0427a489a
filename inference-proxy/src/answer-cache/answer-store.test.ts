import { expect, test } from "bun:test";
import { createManualClock } from "@warmpath/runtime/testing";
import { createPool } from "../upstream/pool.ts";
import { parseReplicaAddresses } from "../upstream/replica.ts";
import { createAnswerStore, entryOverheadBytes } from "./answer-store.ts";
import type { StoredAnswer } from "./types.ts";

const addresses = parseReplicaAddresses(["http://replica"], undefined);
const pool = createPool({ addresses, inFlightMax: 1 });
const [replica] = pool.replicas;

function answerOf(size: number): StoredAnswer {
  if (replica === undefined) {
    throw new Error("the pool has one replica");
  }
  return {
    path: "/v1/chat/completions",
    isStream: false,
    bytes: new Uint8Array(size),
    contentType: "application/json",
    replica,
  };
}

function storeOf(bytesMax: number) {
  const clock = createManualClock();
  const limits = {
    answerCacheTtlMs: 1000,
    answerCacheBytesMax: bytesMax,
    answerCacheAnswerBytesMax: 500,
  };
  return { clock, store: createAnswerStore({ clock, limits }) };
}

test("an answer is found until it is too old", async () => {
  const { clock, store } = storeOf(10_000);
  expect(store.keep("a", answerOf(10))).toBe(true);
  await clock.advance(999);
  expect(store.find("a")?.ageMs).toBe(999);
  await clock.advance(1);
  expect(store.find("a")).toBeUndefined();
  expect([store.count, store.bytes]).toEqual([0, 0]);
});

test("the answer unused longest makes room, and the bytes never exceed their bound", () => {
  const size = 100;
  const { store } = storeOf(3 * (size + entryOverheadBytes));
  for (const key of ["a", "b", "c"]) {
    store.keep(key, answerOf(size));
  }
  store.find("a");
  store.keep("d", answerOf(size));
  expect(["a", "b", "c", "d"].filter((key) => store.find(key) !== undefined)).toEqual([
    "a",
    "c",
    "d",
  ]);
  expect(store.bytes).toBe(3 * (size + entryOverheadBytes));
});

test("an answer takes the place of an older one of the same request", () => {
  const { store } = storeOf(10_000);
  store.keep("a", answerOf(100));
  store.keep("a", answerOf(200));
  expect([store.count, store.bytes]).toEqual([1, 200 + entryOverheadBytes]);
});

test("what is too long, and all where there is no room, is not kept", () => {
  expect(storeOf(10_000).store.keep("a", answerOf(501))).toBe(false);
  expect(storeOf(0).store.keep("a", answerOf(1))).toBe(false);
});
