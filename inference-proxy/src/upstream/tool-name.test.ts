import { describe, expect, test } from "bun:test";
import { chunk, done, readRecording } from "../testing/index.ts";
import { createEventFramer, eventOf } from "./sse.ts";
import { toolNameIn } from "./tool-name.ts";
import { createTap, type WireFormat } from "./wire-format.ts";

/*
 * Goal: a stream tells the first tool that it calls, in each format, wherever its bytes are cut, and
 * text that only looks like a call tells none. Method: streams as engines and providers write them,
 * cut once at every place, and one byte at a time.
 */

function nameOver(format: WireFormat, reads: readonly Uint8Array[]): string | undefined {
  const tap = createTap(format, { dropsUsage: false });
  const framer = createEventFramer(1 << 20);
  for (const read of reads) {
    const block = framer.push(read);
    if (block.length > 0) {
      tap.inspect(block);
    }
  }
  return tap.facts.toolName;
}

function nameIn(format: WireFormat, stream: string): string | undefined {
  const bytes = Buffer.from(stream);
  const name = nameOver(format, [bytes]);
  for (let cut = 1; cut < bytes.length; cut += 1) {
    const got = nameOver(format, [bytes.subarray(0, cut), bytes.subarray(cut)]);
    if (got !== name) {
      throw new Error(`cut at ${cut} it is ${got}`);
    }
  }
  expect(
    nameOver(
      format,
      Array.from(bytes, (byte) => Buffer.from([byte])),
    ),
  ).toBe(name);
  return name;
}

const named = (...events: readonly { readonly type: string }[]) =>
  events.map((event) => Buffer.from(eventOf(event, event.type)).toString()).join("");

const callOf = (name: unknown, args = "") => ({
  tool_calls: [{ index: 0, id: "c", type: "function", function: { name, arguments: args } }],
});
const decoy = '"tool_calls":[{"function":{"name":"no"}}] {"type":"tool_use","name":"no"}';

describe("the name of the tool that a stream calls", () => {
  const streams: Record<string, readonly [WireFormat, string, string | undefined]> = {
    "chat completions": [
      "chat",
      chunk({ role: "assistant", content: decoy }) +
        chunk(callOf("bash")) +
        chunk({ tool_calls: [{ index: 0, function: { arguments: '{"name":"no"}' } }] }) +
        chunk(callOf("second")) +
        chunk({}, "tool_calls") +
        done,
      "bash",
    ],
    "chat completions of an engine that names it a chunk later, and has empty lists": [
      "chat",
      chunk({ content: "", tool_calls: [] }) +
        chunk({ content: "", tool_calls: null }) +
        chunk({ tool_calls: [{ index: 0, id: "c", type: "function" }] }) +
        chunk({ content: decoy, name: "nobody" }) +
        chunk(callOf(null)) +
        chunk(callOf("grep")) +
        chunk({}, "tool_calls") +
        done,
      "grep",
    ],
    "chat completions that call none": [
      "chat",
      chunk({ content: decoy, name: "x" }) + chunk({ name: "y" }, "stop") + done,
      undefined,
    ],
    messages: [
      "messages",
      named(
        { type: "message_start", message: { usage: {}, name: "no" } } as { type: string },
        {
          type: "content_block_start",
          content_block: { type: "server_tool_use", id: "s", name: "web_search", input: {} },
        } as { type: string },
        { type: "content_block_delta", delta: { type: "text_delta", text: decoy } } as {
          type: string;
        },
        {
          type: "content_block_start",
          content_block: { type: "tool_use", id: "t", name: "read_file", input: { name: "no" } },
        } as { type: string },
        { type: "message_delta", delta: { stop_reason: "tool_use" } } as { type: string },
        { type: "message_stop" },
      ),
      "read_file",
    ],
    "messages that call none": [
      "messages",
      named(
        { type: "content_block_delta", delta: { type: "text_delta", text: decoy } } as {
          type: string;
        },
        { type: "message_delta", delta: { stop_reason: "tool_use" } } as { type: string },
        { type: "message_stop", name: "no" } as { type: string },
      ),
      undefined,
    ],
    responses: [
      "responses",
      named(
        {
          type: "response.created",
          response: { tools: [{ type: "function", name: "no" }] },
        } as { type: string },
        {
          type: "response.output_item.added",
          item: { type: "message", role: "assistant", name: "no" },
        } as { type: string },
        { type: "response.output_text.delta", delta: decoy } as { type: string },
        {
          type: "response.output_item.added",
          item: { arguments: "", call_id: "c", name: "search", type: "function_call" },
        } as { type: string },
      ),
      "search",
    ],
    "responses with a tool of the client's own form": [
      "responses",
      named({
        type: "response.output_item.added",
        item: { id: "i", type: "custom_tool_call", call_id: "c", name: "apply_patch", input: "" },
      } as { type: string }),
      "apply_patch",
    ],
  };
  for (const [title, [format, stream, name]] of Object.entries(streams)) {
    test(`is found in ${title}, wherever its bytes are cut`, () => {
      expect(nameIn(format, stream)).toBe(name);
    });
  }

  test("is found in what a real engine streams, and is cut to a sane length", () => {
    const { body } = readRecording("chat-tools-required-stream");
    expect(nameOver("chat", [body])).toBe("get_weather");
    expect(nameOver("responses", [readRecording("responses-stream").body])).toBeUndefined();
    expect(nameOver("chat", [Buffer.from(chunk(callOf("é".repeat(500))))])?.length).toBe(32);
  });

  test("is looked for once in a line, however often it seems to begin there", () => {
    const marks: Record<WireFormat, string> = {
      chat: '{"tool_calls":1},',
      messages: '{"type":"tool_use"},',
      responses: '{"type":"response.output_item.added"},',
    };
    for (const [format, mark] of Object.entries(marks)) {
      // Searched from every mark on, this would take minutes.
      const many = Buffer.from(`data: [${mark.repeat(200_000)}0]\n\n`);
      // The table's keys are the formats.
      expect(toolNameIn(many, format as WireFormat)).toBeUndefined();
    }
    const next = `${chunk({ tool_calls: 1 })}${chunk(callOf("search"))}`;
    expect(toolNameIn(Buffer.from(next), "chat")).toBe("search");
  });
});
