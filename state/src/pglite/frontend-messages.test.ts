import { describe, expect, test } from "bun:test";
import { frame } from "./backend-messages.ts";
import { BatchGatherer } from "./batches.ts";
import { type FrontendMessage, MessageSplitter } from "./frontend-messages.ts";
import { query, startup, sync } from "./testing/raw-client.ts";

function startedSplitter(messageBytesMax = 1_000_000): MessageSplitter {
  const splitter = new MessageSplitter(messageBytesMax);
  splitter.push(startup);
  expect(splitter.next()).toEqual({ kind: "startup" });
  return splitter;
}

function drain(splitter: MessageSplitter): FrontendMessage[] {
  const messages: FrontendMessage[] = [];
  for (let next = splitter.next(); next !== undefined; next = splitter.next()) {
    messages.push(next);
  }
  return messages;
}

/** A message before the session: a length and a code. */
function untyped(code: number, bytes = 8): Buffer {
  const message = Buffer.alloc(bytes);
  message.writeUInt32BE(bytes, 0);
  message.writeUInt32BE(code, 4);
  return message;
}

/** A header that announces `bytes` in all. */
function header(type: string, bytes: number): Buffer {
  const message = frame(type, "");
  message.writeUInt32BE(bytes - 1, 1);
  return message;
}

/** Goal: the same messages come out however the bytes were cut, and nothing that PGlite dies of. */
describe("a client's messages", () => {
  const typed = [query("select 1"), frame("B", "x".repeat(300)), sync];
  const stream = Buffer.concat([untyped(80877103), startup, ...typed]);

  for (const size of [1, 2, 7, 64, stream.length]) {
    test(`are the same when they arrive in pieces of ${size} bytes`, () => {
      const splitter = new MessageSplitter(1_000_000);
      const messages: FrontendMessage[] = [];
      for (let at = 0; at < stream.length; at += size) {
        splitter.push(stream.subarray(at, at + size));
        messages.push(...drain(splitter));
      }
      expect(messages.map((message) => message.kind)).toEqual([
        "encryption-request",
        "startup",
        "typed",
        "typed",
        "typed",
      ]);
      const bytes = messages.flatMap((message) => (message.kind === "typed" ? message.bytes : []));
      expect(bytes).toEqual(typed);
    });
  }

  test("are cut in linear time", () => {
    // 32 MiB in pieces of 512 bytes: joining at each piece would copy a tebibyte.
    const text = Buffer.alloc(32 * 1_048_576, "x");
    const splitter = startedSplitter(64 * 1_048_576);
    splitter.push(header("P", text.length + 5));
    for (let at = 0; at < text.length; at += 512) {
      expect(splitter.next()).toBeUndefined();
      splitter.push(text.subarray(at, at + 512));
    }
    expect(drain(splitter)).toMatchObject([{ type: "P", bytes: { length: text.length + 5 } }]);
  });

  for (const [name, code] of Object.entries({ SSLRequest: 80877103, GSSENCRequest: 80877104 })) {
    test(`${name} asks for encryption`, () => {
      const splitter = new MessageSplitter(1000);
      splitter.push(untyped(code));
      expect(drain(splitter)).toEqual([{ kind: "encryption-request" }]);
    });
  }

  test("CancelRequest is known", () => {
    const splitter = new MessageSplitter(1000);
    splitter.push(untyped(80877102, 16));
    expect(drain(splitter)).toEqual([{ kind: "cancel-request" }]);
  });

  const refused: [
    name: string,
    sqlState: string,
    splitter: () => MessageSplitter,
    bytes: Buffer,
  ][] = [
    ["protocol 2.0", "0A000", () => new MessageSplitter(1000), untyped(2 << 16)],
    ["a startup of 10,001 bytes", "08P01", () => new MessageSplitter(1000), untyped(0, 10_001)],
    ["a TLS handshake", "08P01", () => new MessageSplitter(1000), Buffer.alloc(8, "\x16\x03\x01")],
    ["an unknown type", "08P01", startedSplitter, header("z", 5)],
    ["a password nobody asked for", "08P01", startedSplitter, header("p", 6)],
    ["CopyData", "08P01", startedSplitter, header("d", 6)],
    ["a length below its own size", "08P01", startedSplitter, header("Q", 4)],
    ["a Describe of 10,001 bytes", "08P01", startedSplitter, header("D", 10_001)],
    ["a message beyond the limit", "54000", startedSplitter, header("Q", 1_000_001)],
  ];
  for (const [name, sqlState, splitterFor, bytes] of refused) {
    test(`${name} is refused as soon as its header is there`, () => {
      const splitter = splitterFor();
      splitter.push(bytes);
      expect(() => splitter.next()).toThrow(expect.objectContaining({ sqlState }));
    });
  }

  test("run together up to the one that wants an answer", () => {
    const gatherer = new BatchGatherer(1000);
    const add = (type: "P" | "B" | "S" | "H" | "Q") =>
      gatherer.add({ kind: "typed", type, bytes: frame(type, "") });
    expect(add("P")).toBeUndefined();
    expect(add("H")).toMatchObject({ messages: 2, lastType: "H" });
    expect(add("B")).toBeUndefined();
    expect(add("S")).toEqual({
      bytes: Buffer.concat([frame("B", ""), frame("S", "")]),
      messages: 2,
      lastType: "S",
    });
    expect(add("Q")).toMatchObject({ messages: 1, lastType: "Q" });
  });

  test("do not pile up when none wants an answer", () => {
    const gatherer = new BatchGatherer(1000);
    const bytes = frame("P", "x".repeat(600));
    expect(gatherer.add({ kind: "typed", type: "P", bytes })).toBeUndefined();
    expect(gatherer.add({ kind: "typed", type: "P", bytes })).toMatchObject({ lastType: "P" });
  });
});
