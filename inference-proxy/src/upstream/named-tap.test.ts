import { describe, expect, test } from "bun:test";
import { seededRandom } from "@warmpath/runtime/base";
import { readRecording } from "../testing/index.ts";
import { createEventFramer } from "./sse.ts";
import type { StreamTap } from "./stream-tap.ts";
import { parseUsage } from "./usage.ts";
import { createTap, isWholeGivenUp, type WireFormat } from "./wire-format.ts";

/*
 * Goal: ends, errors and usage are seen however a stream is cut, and nothing else is touched.
 * Method: recorded streams cut at random places; written ones for what no recording has.
 */

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

function event(value: { readonly type: string; readonly [name: string]: unknown }): string {
  return `event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`;
}

/** Runs a body through a tap in pieces of random sizes; what it handed on. */
function run(tap: StreamTap, body: Uint8Array, seed: string): Buffer {
  const random = seededRandom(seed);
  const framer = createEventFramer(1 << 20);
  const out: Uint8Array[] = [];
  for (let at = 0; at < body.length && !tap.facts.isFalseEnd; ) {
    const size = 1 + Math.floor(random.next() * 700);
    out.push(tap.inspect(framer.push(body.slice(at, at + size))));
    at += size;
  }
  return Buffer.concat(out);
}

function watch(format: WireFormat, ...events: readonly string[]) {
  const tap = createTap(format, { dropsUsage: false });
  const handedOn = events.map((text) => new TextDecoder().decode(tap.inspect(bytesOf(text))));
  return { facts: tap.facts, handedOn: handedOn.join("") };
}

const recorded = {
  "messages-stream": { format: "messages", finishReason: "max_tokens", choiceEvents: 2 },
  "usage-cached-messages-stream": {
    format: "messages",
    finishReason: "max_tokens",
    choiceEvents: 1,
  },
  "responses-stream": { format: "responses", finishReason: "max_output_tokens", choiceEvents: 2 },
} as const;

describe("createTap()", () => {
  for (const [name, { format, ...seen }] of Object.entries(recorded)) {
    test(`sees how ${name} ends, and hands on the same bytes, however it is cut`, () => {
      const { body } = readRecording(name);
      for (let round = 0; round < 20; round += 1) {
        const tap = createTap(format, { dropsUsage: false });
        expect(run(tap, body, `${name} ${round}`).equals(body)).toBe(true);
        expect(tap.facts).toMatchObject({ ...seen, isFailed: false, isFalseEnd: false });
        expect(tap.facts.usage).toBeDefined();
      }
    });
  }

  test("counts cached tokens of messages among the prompt's, as those of responses are", () => {
    const cached = { inputTokens: 303, cachedInputTokens: 288, outputTokens: 1 };
    const tap = createTap("messages", { dropsUsage: false });
    run(tap, readRecording("usage-cached-messages-stream").body, "x");
    expect(parseUsage(textOf(tap.facts.usage))).toMatchObject(cached);
    for (const name of ["usage-cached-messages", "usage-cached-responses"]) {
      const { usage } = JSON.parse(new TextDecoder().decode(readRecording(name).body));
      expect(parseUsage(JSON.stringify(usage))).toMatchObject(cached);
    }
  });

  test("joins the usage that Anthropic spreads over the first and the last event", () => {
    const message = { usage: { input_tokens: 5, cache_read_input_tokens: 7, output_tokens: 1 } };
    const { facts } = watch(
      "messages",
      event({ type: "message_start", message }),
      event({
        type: "message_delta",
        delta: { stop_reason: "end_turn" },
        usage: { output_tokens: 9, cache_read_input_tokens: null },
      }),
      event({ type: "message_stop" }),
    );
    expect(facts.finishReason).toBe("end_turn");
    expect(parseUsage(textOf(facts.usage))).toEqual({
      inputTokens: 12,
      cachedInputTokens: 7,
      cacheWriteTokens: 0,
      outputTokens: 9,
      reasoningTokens: 0,
    });
  });

  test("knows a message as unfinished until message_stop, and withholds one without a reason", () => {
    const end = (reason: string | null) =>
      event({ type: "message_delta", delta: { stop_reason: reason }, usage: {} });
    expect(watch("messages", end("end_turn")).facts.finishReason).toBeUndefined();
    for (const reason of [null, "abort"]) {
      const stop = event({ type: "message_stop" });
      const { facts, handedOn } = watch("messages", end(reason) + stop);
      expect(facts).toMatchObject({ finishReason: undefined, isFalseEnd: true });
      expect(handedOn).toBe(end(reason));
    }
  });

  test("knows a response as unfinished until its last event, and withholds a cancelled one", () => {
    const item = event({ type: "response.output_item.done", item: { status: "completed" } });
    expect(watch("responses", item).facts.finishReason).toBeUndefined();
    const cancelled = event({ type: "response.completed", response: { status: "cancelled" } });
    expect(watch("responses", item + cancelled)).toMatchObject({
      facts: { finishReason: undefined, isFalseEnd: true },
      handedOn: item,
    });
    const completed = event({ type: "response.completed", response: { status: "completed" } });
    expect(watch("responses", completed).facts.finishReason).toBe("completed");
    const response = { status: "completed", output: [{ type: "function_call", name: "bash" }] };
    const asking = event({ type: "response.completed", response });
    expect(watch("responses", asking).facts.finishReason).toBe("tool_calls");
  });

  test("sees errors in each shape, and none where one is only spoken of", () => {
    const error = { type: "overloaded_error", message: "busy" };
    const failing: [WireFormat, string][] = [
      ["messages", event({ type: "error", error })],
      ["messages", `data: ${JSON.stringify({ error })}\n\n`],
      ["responses", event({ type: "error", code: "server_error", error: null })],
      ["responses", event({ type: "response.failed", response: { status: "failed", error } })],
      ["responses", `data: ${JSON.stringify({ error })}\n\n`],
    ];
    for (const [format, text] of failing) {
      expect(watch(format, text).facts.isFailed).toBe(true);
    }
    const input = { error: { error: {} }, type: "error" };
    const content_block = { type: "tool_use", id: "1", name: "report", input };
    const innocent: [WireFormat, string][] = [
      ["messages", event({ type: "content_block_start", index: 0, content_block })],
      ["messages", event({ type: "content_block_delta", delta: { text: '{"type":"error"}' } })],
      ["responses", event({ type: "response.created", response: { error: null } })],
      ["responses", event({ type: "response.output_text.delta", delta: '{"type":"error"}' })],
    ];
    for (const [format, text] of innocent) {
      expect(watch(format, text).facts.isFailed).toBe(false);
    }
  });
});

describe("isWholeGivenUp()", () => {
  const givenUp = (format: WireFormat, answer: unknown) =>
    isWholeGivenUp(format, bytesOf(JSON.stringify(answer)));

  test("knows answers that end without a reason from those that have one", () => {
    expect(givenUp("messages", { type: "message", content: [] })).toBe(true);
    expect(givenUp("messages", { type: "message", stop_reason: null })).toBe(true);
    expect(givenUp("messages", { type: "message", stop_reason: "abort" })).toBe(true);
    expect(givenUp("messages", { type: "message", stop_reason: "tool_use" })).toBe(false);
    expect(givenUp("messages", { input_tokens: 3 })).toBe(false);
    expect(givenUp("responses", { status: "cancelled", output: [] })).toBe(true);
    expect(givenUp("responses", { status: "completed", output: ["cancelled"] })).toBe(false);
  });

  test("takes the recorded answers for finished", () => {
    expect(isWholeGivenUp("messages", readRecording("messages").body)).toBe(false);
    expect(isWholeGivenUp("messages", readRecording("messages-count_tokens").body)).toBe(false);
    expect(isWholeGivenUp("responses", readRecording("responses").body)).toBe(false);
  });
});

function textOf(bytes: Uint8Array | undefined): string {
  return new TextDecoder().decode(bytes);
}
