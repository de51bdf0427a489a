import { describe, expect, test } from "bun:test";
import { compareMessages } from "./compare-messages.ts";
import { createPrompts, type ReadPrompt } from "./prompts.ts";

const encoder = new TextEncoder();

/** Two requests of one session; the second one as it is read. */
function second(
  before: Readonly<Record<string, unknown>> | string,
  now: Readonly<Record<string, unknown>> | string,
  bodyBytesMax = 1e6,
): { readonly prompt: ReadPrompt; readonly text: string } {
  const prompts = createPrompts({
    hash: Bun.hash.rapidhash,
    memoSeed: 1n,
    keySeed: 3n,
    nowMs: () => 0,
    tokensOf: (_model, bytes) => bytes,
    blockTokensOf: () => 16,
    memoBytesMax: 1e6,
    sessions: { sessionsMax: 10, marksMax: 1000, bodyBytesMax, ttlMs: 1000 },
  });
  const read = (body: Readonly<Record<string, unknown>> | string) => {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const prompt = prompts.identify(prompts.scan(encoder.encode(text), "acme", "messages"), {
      model: "m",
      salt: "acme",
      lora: "",
      headers: new Headers({ "x-session-id": "s" }),
      sessionId: "",
    });
    prompts.served(prompt, "a");
    return { prompt, text };
  };
  read(before);
  return read(now);
}

const system = (text: string) => ({ role: "system", content: text });
const user = { role: "user", content: "Do it." };
const answer = { role: "assistant", content: `I did. ${"And more. ".repeat(30)}` };
const result = { role: "tool", tool_call_id: "call_1", content: "done" };
const more = { role: "user", content: "Thanks." };

describe("a cache break", () => {
  test("is none where the prompt only grows, shrinks or is the same", () => {
    const messages = [system("Rules."), user, answer];
    for (const next of [messages, [...messages, more], messages.slice(0, 2)]) {
      expect(second({ messages }, { messages: next }).prompt.cacheBreak).toBeUndefined();
    }
  });

  test("names the first message that differs, its role and the first byte", () => {
    const messages = [system("Rules."), user, answer, result];
    const edited = { ...answer, content: answer.content.replace("did.", "did!") };
    const { prompt, text } = second(
      { messages },
      { messages: [...messages.with(2, edited), more] },
    );
    expect(prompt.cacheBreak).toEqual({
      cause: "message-edited",
      message: 2,
      role: "assistant",
      byteOffset: text.indexOf("!"),
    });
  });

  test("tells what changed", () => {
    const base: readonly unknown[] = [
      system("You are an agent. Time: 2026-11-21 16:20:11."),
      user,
      answer,
      result,
    ];
    const thinking = { ...answer, reasoning_content: "hm" };
    const parts = (...types: string[]) => ({
      role: "assistant",
      content: types.map((type) => ({ type, text: "x".repeat(200) })),
    });
    const tagged = { ...answer, content: `<think>hm\n</think>\n${answer.content}` };
    const reordered = { content: answer.content, role: "assistant" };
    const cases: readonly (readonly [string, readonly unknown[], readonly unknown[]])[] = [
      ["timestamp", base, base.with(0, system("You are an agent. Time: 2026-11-21 16:21:59."))],
      ["system-changed", base, base.with(0, system("You are another agent."))],
      ["thinking-stripped", base.with(2, thinking), base],
      ["thinking-stripped", base.with(2, parts("thinking", "text")), base.with(2, parts("text"))],
      ["thinking-stripped", base.with(2, tagged), base],
      ["members-reordered", base, base.with(2, reordered)],
      ["message-removed", base, base.toSpliced(1, 1)],
      ["message-edited", base, base.with(1, { ...user, content: "Do that." })],
    ];
    for (const [cause, before, now] of cases) {
      const { prompt } = second({ messages: before }, { messages: [...now, more] });
      expect(prompt.cacheBreak?.cause).toBe(cause as never);
    }
  });

  test("before the messages is found, too, wherever the body has it", () => {
    const messages = [user, answer];
    const tools = [{ type: "function", function: { name: "a" } }];
    const changes: readonly (readonly [
      string,
      Record<string, unknown>,
      Record<string, unknown>,
    ])[] = [
      ["tools-changed", { tools }, { tools: [...tools, ...tools] }],
      ["tools-changed", { tools }, {}],
      ["system-changed", { system: "a" }, { system: "b" }],
    ];
    for (const [cause, before, now] of changes) {
      const { prompt } = second({ messages, ...before }, { messages, ...now });
      expect(prompt.cacheBreak).toMatchObject({ cause, message: -1 });
      expect(prompt.session).toMatchObject({ kind: "continuation", commonChunks: 0 });
    }
  });

  test("is found without the last body, too, though not its byte", () => {
    const messages = [system("Rules."), user, answer, result];
    const now = messages.with(2, { ...answer, content: "Stripped." });
    const { prompt, text } = second({ messages }, { messages: now }, 0);
    expect(prompt.cacheBreak).toEqual({
      cause: "message-edited",
      message: 2,
      role: "assistant",
      byteOffset: text.indexOf('{"role":"assistant"'),
    });
  });
});

describe("compareMessages()", () => {
  const causeOf = (before: string, now: string) =>
    compareMessages(encoder.encode(before), encoder.encode(now), "system").cause;

  test("takes dates and times for what they are, and nothing else", () => {
    const changed = [
      ["at 16:20", "at 16:21"],
      ["on 2026-11-21", "on 2026-12-01"],
      ["Nov 21", "Nov 22"],
      ["21 November", "22 November"],
      ["Saturday", "Sunday"],
      ["now 1795277000", "now 1795277911"],
      ["11/21/2026", "11/22/2026"],
    ] as const;
    for (const [before, now] of changed) {
      const body = (text: string) => `{"content":"It is ${text}, user."}`;
      expect(causeOf(body(before), body(now))).toBe("timestamp");
    }
    expect(causeOf('{"content":"room 12"}', '{"content":"room 13"}')).toBeUndefined();
  });

  test("makes nothing of what is no JSON", () => {
    expect(causeOf('{"a', '{"b')).toBeUndefined();
    expect(compareMessages(encoder.encode("ab"), encoder.encode("abc"), "").firstDifference).toBe(
      2,
    );
  });
});
