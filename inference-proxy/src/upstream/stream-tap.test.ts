import { describe, expect, test } from "bun:test";
import { seededRandom } from "@warmpath/runtime/base";
import { readRecording } from "../testing/index.ts";
import { createEventFramer, dataOf, splitEvents } from "./sse.ts";
import { createStreamTap } from "./stream-tap.ts";
import { parseUsage } from "./usage.ts";

/*
 * Goal: the byte searches see what a parser sees. Method: each recorded stream, cut at random
 * places, against an oracle that parses every event.
 */

const names = [
  "chat-stream",
  "chat-stream-usage",
  "chat-tools-required-stream",
  "completions-stream",
  "stream-interval-4-force-usage",
  "usage-cached-chat-stream",
  "chat-stream-logprobs",
  "chat-stream-token-ids",
];

function plainFacts(body: Uint8Array) {
  let finishReason: string | undefined;
  let choiceEvents = 0;
  let usage: unknown;
  for (const event of splitEvents(body)) {
    const data = dataOf(event);
    if (data === undefined || data === "[DONE]") {
      continue;
    }
    const parsed = JSON.parse(data);
    choiceEvents += parsed.choices.length;
    finishReason = parsed.choices[0]?.finish_reason ?? finishReason;
    usage = parsed.usage ?? usage;
  }
  return { finishReason, choiceEvents, usage };
}

describe("createStreamTap()", () => {
  for (const name of names) {
    test(`sees in ${name} what a parser sees, and hands on the same bytes`, () => {
      const { body } = readRecording(name);
      const random = seededRandom(name);
      for (let round = 0; round < 20; round += 1) {
        const tap = createStreamTap({ dropsUsage: false });
        const framer = createEventFramer(1 << 20);
        const out: Uint8Array[] = [];
        for (let at = 0; at < body.length; ) {
          const size = 1 + Math.floor(random.next() * 700);
          out.push(tap.inspect(framer.push(body.slice(at, at + size))));
          at += size;
        }
        const { usage, ...seen } = plainFacts(body);
        expect(tap.facts).toMatchObject({ ...seen, isFailed: false, isFalseEnd: false });
        expect(tap.facts.usage === undefined).toBe(usage === undefined);
        if (tap.facts.usage !== undefined) {
          expect(JSON.parse(new TextDecoder().decode(tap.facts.usage))).toEqual(usage);
        }
        expect(Buffer.concat(out).equals(body)).toBe(true);
        expect(framer.pendingBytes).toBe(0);
      }
    });
  }

  test("is not misled by text that looks like the stream's own fields", () => {
    const content =
      '"finish_reason":"stop","usage":{"prompt_tokens":1} data: [DONE]\n\ndata: [DONE]';
    const choices = [{ index: 0, delta: { content }, finish_reason: null }];
    const event = `data: ${JSON.stringify({ choices })}\n\n`;
    const tap = createStreamTap({ dropsUsage: true });
    const block = new TextEncoder().encode(event + event);
    expect(tap.inspect(block)).toEqual(block);
    expect(tap.facts).toEqual({
      finishReason: undefined,
      choiceEvents: 2,
      isFailed: false,
      isFalseEnd: false,
      usage: undefined,
    });
  });

  test("reads spaced JSON and events that end in CRLF", () => {
    const tap = createStreamTap({ dropsUsage: true });
    const text =
      'data: {"choices": [{"finish_reason" : "stop"}]}\r\n\r\n' +
      'data: {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}\r\n\r\n' +
      "data: [DONE]\r\n\r\n";
    const out = Buffer.from(tap.inspect(new TextEncoder().encode(text))).toString();
    expect(tap.facts.finishReason).toBe("stop");
    expect(parseUsage(textOf(tap.facts.usage))?.inputTokens).toBe(3);
    expect(out).not.toContain("usage");
    expect(out).toEndWith("[DONE]\r\n\r\n");
  });

  test("hands on nothing from a false end on", () => {
    const good = 'data: {"choices":[{"delta":{"content":"x"},"finish_reason":null}]}\n\n';
    for (const end of ["data: [DONE]\n\n", good.replace("null", '"abort"')]) {
      for (const before of ["", good]) {
        const tap = createStreamTap({ dropsUsage: false });
        const out = tap.inspect(new TextEncoder().encode(before + end));
        expect(new TextDecoder().decode(out)).toBe(before);
        expect(tap.facts.isFalseEnd).toBe(true);
      }
    }
  });
});

describe("createEventFramer()", () => {
  test("cuts where events end, however the reads were cut", () => {
    const random = seededRandom(5);
    for (let round = 0; round < 300; round += 1) {
      const end = () => (random.next() < 0.5 ? "\n\n" : "\r\n\r\n");
      const text = Array.from({ length: 4 }, () => {
        const line = "data: x\r\ndata: y\n".slice(0, Math.floor(random.next() * 17));
        return `${line}z${end()}`;
      }).join("");
      const bytes = Buffer.from(text);
      const framer = createEventFramer(1 << 20);
      const told: Uint8Array[] = [];
      for (let at = 0; at < bytes.length; ) {
        const size = 1 + Math.floor(random.next() * 6);
        const block = framer.push(bytes.subarray(at, at + size));
        told.push(block);
        at += size;
        const seen = bytes.subarray(0, at).toString();
        const ends = [...seen.matchAll(/\n\r?\n/g)].map((each) => each.index + each[0].length);
        expect(Buffer.concat(told).length).toBe(ends.at(-1) ?? 0);
        expect(framer.pendingBytes).toBe(seen.length - (ends.at(-1) ?? 0));
      }
      expect(Buffer.concat(told).toString()).toBe(text);
    }
  });

  test("holds a large event in pieces until it ends", () => {
    const framer = createEventFramer(5 << 20);
    const piece = Buffer.from("x".repeat(1024));
    for (let each = 0; each < 4096; each += 1) {
      expect(framer.push(piece).length).toBe(0);
    }
    const whole = framer.push(Buffer.from("\n\nnext"));
    expect([whole.length, framer.pendingBytes]).toEqual([4096 * 1024 + 2, 4]);
  });

  test("refuses an event without end", () => {
    const framer = createEventFramer(10);
    framer.push(new TextEncoder().encode("data: 123"));
    expect(() => framer.push(new TextEncoder().encode("456"))).toThrow("longer than 10 bytes");
  });
});

function textOf(bytes: Uint8Array | undefined): string {
  return new TextDecoder().decode(bytes);
}
