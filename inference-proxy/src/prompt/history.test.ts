import { describe, expect, test } from "bun:test";
import { type Random, seededRandom } from "@warmpath/runtime/base";
import { chunkBytes, createHistoryReader, type History, messagesMax } from "./history.ts";
import { createHistoryMemo, segmentBytes } from "./history-memo.ts";

const hash = Bun.hash.rapidhash;
const encoder = new TextEncoder();

function createReader(bytesMax = 1e9) {
  return createHistoryReader({
    hash,
    memo: createHistoryMemo({ bytesMax }),
    memoSeed: 7n,
    keySeed: 3n,
  });
}

const read = (text: string, reader = createReader(), tenant = "acme"): History => {
  const bytes = encoder.encode(`{"messages":${text},"model":"m"}`);
  const history = reader.read(bytes, '{"messages":'.length, tenant);
  expect(history).toBeDefined();
  return history!;
};

const textOf = (random: Random, bytes: number): string =>
  Array.from({ length: bytes / 8 }, () => pieces[Math.floor(random.next() * pieces.length)]).join(
    "",
  );
const pieces = ['"a" ', "\\ \n", "words of text ", "\u00e9", '\\"', "}{][", ",:"];

const message = (random: Random, bytes: number) => ({
  role: random.next() < 0.5 ? "user" : "assistant",
  content: textOf(random, bytes),
  tool_calls: random.next() < 0.3 ? [{ id: "c", function: { arguments: '{"a":[1]}' } }] : [],
});

describe("a history", () => {
  test("has the messages that a parser finds, on 300 seeded lists", () => {
    const random = seededRandom("lists");
    for (let round = 0; round < 300; round += 1) {
      const messages = Array.from({ length: Math.floor(random.next() * 12) }, () =>
        random.next() < 0.1 ? "text" : message(random, Math.floor(random.next() * 4000)),
      );
      const text = JSON.stringify(messages, undefined, Math.floor(random.next() * 3));
      const { starts, ends, valueEnd } = read(text);
      const bytes = encoder.encode(text);
      const found = ends.map((end, index) =>
        JSON.parse(Buffer.from(bytes.subarray(1 + starts[index]!, 1 + end)).toString()),
      );
      expect(found).toEqual(JSON.parse(text));
      expect(valueEnd).toBe('{"messages":'.length + bytes.length);
    }
  });

  test("read with a memory of earlier turns is the same as read without", () => {
    const random = seededRandom("turns");
    const reader = createReader();
    for (let session = 0; session < 6; session += 1) {
      // One message larger than several segments, and many small ones.
      const messages = [message(random, session % 2 === 0 ? 60_000 : 2000)];
      for (let turn = 0; turn < 25; turn += 1) {
        messages.push(message(random, Math.floor(random.next() ** 3 * 40_000)));
        const text = JSON.stringify(messages);
        expect(read(text, reader)).toEqual(read(text));
      }
    }
  });

  test("is read right where quotes and backslashes stand at the edge of a segment", () => {
    for (let shift = -6; shift <= 6; shift += 1) {
      for (const edge of ['\\"', '\\\\"', "\\\\", '\\\\\\"', '"']) {
        const filler = "x".repeat(segmentBytes - '{"content":"'.length + shift);
        const ending = edge.endsWith('"') && edge.length % 2 === 1 ? "" : '"';
        const text = `[{"content":"${filler}${edge}${ending}},{"role":"user","content":"[{"}]`;
        const reader = createReader();
        const first = read(text, reader);
        expect(first.ends).toHaveLength(2);
        expect(read(text, reader)).toEqual(first);
        expect(
          read(text.replace("]", ',{"content":"more"}]'), reader).starts.length,
        ).toBeGreaterThan(0);
      }
    }
  });

  test("begins with the keys of the turn before it", () => {
    const random = seededRandom("keys");
    const messages = Array.from({ length: 9 }, () => message(random, 900));
    const before = read(JSON.stringify(messages));
    const after = read(JSON.stringify([...messages, message(random, 900)]));
    const full = Math.floor(before.length / chunkBytes);
    expect(after.chunkKeys.slice(0, full)).toEqual(before.chunkKeys.slice(0, full));
    expect(before.chunkKeys).toHaveLength(full + 1);
    expect(after.endKeys.slice(0, 9)).toEqual([...before.endKeys]);
    expect(before.chunkKeys.at(-1)).toBe(before.endKeys.at(-1)!);
  });

  test("has other keys from the first byte on that differs, and other ones for each tenant", () => {
    const text = JSON.stringify([{ role: "user", content: "x".repeat(5000) }]);
    const one = read(text);
    const at = 3000;
    const other = read(`${text.slice(0, at)}y${text.slice(at + 1)}`);
    expect(other.chunkKeys.slice(0, 2)).toEqual(one.chunkKeys.slice(0, 2));
    for (let chunk = 2; chunk < one.chunkKeys.length; chunk += 1) {
      expect(other.chunkKeys[chunk]).not.toBe(one.chunkKeys[chunk]!);
    }
    const keys = new Set([...one.chunkKeys, ...read(text, createReader(), "globex").chunkKeys]);
    expect(keys.size).toBe(2 * one.chunkKeys.length);
  });

  test("of a short prompt has the key of its end", () => {
    expect(read('[{"role":"user","content":"hi"}]').chunkKeys).toHaveLength(1);
    expect(read("[]").chunkKeys).toHaveLength(0);
    expect(read('"hi"').chunkKeys).toHaveLength(1);
    expect(read('""').chunkKeys).toHaveLength(0);
  });

  test("of a text is the text", () => {
    const text = JSON.stringify(`a "quoted" text ${"\\ ".repeat(20_000)}`);
    const reader = createReader();
    const first = read(text, reader);
    expect([first.isText, first.length, first.ends.length]).toEqual([true, text.length - 2, 0]);
    expect(read(text, reader)).toEqual(first);
    const longer = read(`${text.slice(0, -1)} and more"`, reader);
    expect(longer.chunkKeys.slice(0, 40)).toEqual(first.chunkKeys.slice(0, 40));
  });

  test("is none where the value is no list and no text, or does not end", () => {
    const reader = createReader();
    for (const text of [
      "1",
      "{}",
      "null",
      "[",
      '["',
      '[{"a":1}',
      '"open',
      `[{"a":"${"x".repeat(40_000)}`,
    ]) {
      expect(reader.read(encoder.encode(text), 0, "acme")).toBeUndefined();
    }
  });

  test("costs no more time for a list of a million nothings, and keeps a bounded part", () => {
    const text = `[${"{},".repeat(1_000_000)}{}]`;
    expect(read(text).ends).toHaveLength(messagesMax);
    expect(read(`[{}${" ".repeat(3_000_000)}]`).chunkKeys).toHaveLength(1);
    expect(read(`["${"a".repeat(3_000_000)}"]`).ends).toHaveLength(1);
  });

  test("is remembered within a bound, and read right when it is not", () => {
    const memo = createHistoryMemo({ bytesMax: 20_000 });
    const reader = createHistoryReader({ hash, memo, memoSeed: 1n, keySeed: 3n });
    const random = seededRandom("bound");
    for (let round = 0; round < 30; round += 1) {
      const text = JSON.stringify([message(random, 40_000)]);
      expect(read(text, reader)).toEqual(read(text));
      expect(memo.bytes).toBeLessThanOrEqual(20_000);
    }
    expect(memo.bytes).toBeGreaterThan(5000);
  });
});
