import { describe, expect, test } from "bun:test";
import { type Random, seededRandom } from "@warmpath/runtime/base";
import { translateAnswer, translateRequest } from "./index.ts";
import { chatStream, eventsOf, translateStream } from "./testing.ts";
import type { ClientFormat, JsonObject } from "./types.ts";

/*
 * Goal: what goes through another format and back is what it was. Method: random conversations and
 * answers of everything that both formats can hold, from seeds.
 */

const seeds = Array.from({ length: 120 }, (_, at) => `round trip ${at}`);
const texts = [
  "plain",
  "",
  "Grüße 世界 🌍",
  'quote " \\ \n line',
  "\u2028 \ud800 lone",
  "{}[]",
  "data: x",
];
const others: readonly ClientFormat[] = ["messages", "responses"];

function pick<Item>(random: Random, items: readonly Item[]): Item {
  const item = items[Math.floor(random.next() * items.length)];
  if (item === undefined) {
    throw new Error("nothing to pick from");
  }
  return item;
}

const isHeads = (random: Random) => random.next() < 0.5;

function text(random: Random): string {
  return `${pick(random, texts)}${Math.floor(random.next() * 1000)}`;
}

function call(random: Random, id: string) {
  const args = { text: text(random), n: Math.floor(random.next() * 100), deep: [{ a: null }] };
  return { id, type: "function", function: { name: "tool_1", arguments: JSON.stringify(args) } };
}

/** One step: a question, and perhaps calls with their results before the answer. */
function step(random: Random, at: number): readonly JsonObject[] {
  const image = { type: "image_url", image_url: { url: "data:image/png;base64,aGk=" } };
  const question = isHeads(random)
    ? { role: "user", content: text(random) }
    : { role: "user", content: [{ type: "text", text: text(random) }, image] };
  const calls = Array.from({ length: Math.floor(random.next() * 3) }, (_, index) =>
    call(random, `call_${at}_${index}`),
  );
  const acted =
    calls.length === 0
      ? []
      : [
          {
            role: "assistant",
            content: isHeads(random) ? text(random) : null,
            tool_calls: calls,
          },
          ...calls.map(({ id }) => ({ role: "tool", tool_call_id: id, content: text(random) })),
        ];
  return [question, ...acted, { role: "assistant", content: text(random) }];
}

function conversation(random: Random): JsonObject {
  const steps = 1 + Math.floor(random.next() * 4);
  const system = isHeads(random) ? [{ role: "system", content: text(random) }] : [];
  const tool = {
    type: "function",
    function: {
      name: "tool_1",
      description: text(random),
      parameters: { type: "object", properties: { text: { type: "string" } } },
      strict: true,
    },
  };
  return {
    model: "m",
    messages: [
      ...system,
      ...Array.from({ length: steps }, (_, at) => step(random, at)).flat(),
      { role: "user", content: text(random) },
    ],
    tools: [tool],
    ...(isHeads(random) ? { tool_choice: pick(random, ["auto", "none", "required"]) } : {}),
    ...(isHeads(random) ? { parallel_tool_calls: false, tool_choice: "auto" } : {}),
    max_completion_tokens: 1 + Math.floor(random.next() * 5000),
    ...(isHeads(random) ? { temperature: random.next() } : {}),
    ...(isHeads(random) ? { top_p: random.next() } : {}),
    ...(isHeads(random) ? { user: text(random) } : {}),
  };
}

describe.each(others)("a chat through %s and back", (other) => {
  test("asks the same", () => {
    for (const seed of seeds) {
      const chat = conversation(seededRandom(seed));
      const there = JSON.parse(JSON.stringify(translateRequest("chat", other, chat)));
      const { store: _store, ...back } = translateRequest(other, "chat", there);
      expect({ seed, back }).toEqual({ seed, back: chat });
    }
  });

  test("answers the same", () => {
    for (const seed of seeds) {
      const random = seededRandom(seed);
      const calls = isHeads(random) ? [call(random, "call_1"), call(random, "call_2")] : undefined;
      const chat = {
        id: "x",
        object: "chat.completion",
        created: 0,
        model: "m",
        choices: [
          {
            index: 0,
            message: {
              role: "assistant",
              content: text(random),
              refusal: null,
              ...(calls === undefined ? {} : { tool_calls: calls }),
            },
            logprobs: null,
            finish_reason: calls === undefined ? pick(random, ["stop", "length"]) : "tool_calls",
          },
        ],
        usage: {
          prompt_tokens: 50,
          completion_tokens: 9,
          total_tokens: 59,
          prompt_tokens_details: { cached_tokens: Math.floor(random.next() * 50) },
          completion_tokens_details: { reasoning_tokens: Math.floor(random.next() * 9) },
        },
      };
      const there = JSON.parse(JSON.stringify(translateAnswer("chat", other, chat)));
      const back = translateAnswer(other, "chat", there);
      expect({ seed, back: { ...back, id: "x" } }).toEqual({ seed, back: chat });
    }
  });

  test("streams the same, piece by piece", () => {
    for (const seed of seeds) {
      const random = seededRandom(seed);
      const deltas = answerDeltas(random);
      const stream = chatStream(deltas, deltas.some(isCall) ? "tool_calls" : "stop");
      const there = translateStream("chat", other, stream, 1 + Math.floor(random.next() * 300));
      const back = translateStream(other, "chat", there, 1 + Math.floor(random.next() * 300));
      expect({ seed, back: deltasOf(back) }).toEqual({ seed, back: deltasOf(stream) });
    }
  });
});

function isCall(delta: JsonObject): boolean {
  return Object.hasOwn(delta, "tool_calls");
}

/** Deltas in an order that engines have: thinking, text, calls one after the other. */
function answerDeltas(random: Random): readonly JsonObject[] {
  const some = (make: () => JsonObject) =>
    Array.from({ length: Math.floor(random.next() * 4) }, make);
  const calls = Array.from({ length: Math.floor(random.next() * 3) }, (_, index) => [
    {
      tool_calls: [
        { index, id: `c${index}`, type: "function", function: { name: "f", arguments: "" } },
      ],
    },
    ...some(() => ({ tool_calls: [{ index, function: { arguments: text(random) } }] })),
  ]).flat();
  const deltas = [
    ...some(() => ({ reasoning: text(random) })),
    ...some(() => ({ content: text(random) })),
    ...calls,
  ];
  const [first = { content: "x" }, ...rest] = deltas;
  return [{ role: "assistant", ...first }, ...rest];
}

/** All that a stream tells, without the names that each answer has for itself. */
function deltasOf(stream: string): readonly unknown[] {
  return eventsOf(stream).map((event) => {
    if (typeof event === "string") {
      return event;
    }
    const { prompt_tokens, completion_tokens } = (event["usage"] ?? {}) as JsonObject;
    return { choices: event["choices"], prompt_tokens, completion_tokens };
  });
}
