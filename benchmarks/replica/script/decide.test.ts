import { describe, expect, test } from "bun:test";
import type { ChatMessage, Reply, Tool } from "../types.ts";
import { decide, type ScriptRequest } from "./decide.ts";

const calculator = tool("calculator", "Evaluates an arithmetic expression.", "expression");
const search = tool("knowledge_search", "Searches the knowledge base.", "query");
const fetchTool = tool("http_fetch", "Fetches a page over HTTP.", "url");
const own = [calculator, search, fetchTool];
const delegates = [
  tool(
    "delegate_to_researcher",
    `Delegates a task to the agent "researcher" and returns its answer. Finds passages in the knowledge base and summarises what they say.`,
    "task",
  ),
  tool(
    "delegate_to_clerk",
    `Delegates a task to the agent "clerk" and returns its answer. Calculates exactly.`,
    "task",
  ),
];

describe("which calls a message leads to", () => {
  const cases: [string, readonly Tool[], string[]][] = [
    ["What is 12345 * 678?", own, ['calculator {"expression":"12345 * 678"}']],
    ["what's 7 times 6", own, ['calculator {"expression":"7 * 6"}']],
    ["Compute (2 + 3) * 4 - 1.", own, ['calculator {"expression":"(2 + 3) * 4 - 1"}']],
    ["How much is 1,000 + 2,500.5?", own, ['calculator {"expression":"1000 + 2500.5"}']],
    [
      "What is 12345 * 678? Then look up in the docs how leases are fenced.",
      own,
      [
        'calculator {"expression":"12345 * 678"}',
        'knowledge_search {"query":"how leases are fenced"}',
      ],
    ],
    [
      "What is 1 + 1? Then what is 2 + 2? Then what is 3 + 3? Then what is 4 + 4?",
      own,
      ["1 + 1", "2 + 2", "3 + 3", "4 + 4"].map((sum) => `calculator {"expression":"${sum}"}`),
    ],
    [
      "Please fetch https://example.com/a?b=1.",
      own,
      ['http_fetch {"url":"https://example.com/a?b=1"}'],
    ],
    [
      "How does the gateway limit callers?",
      own,
      ['knowledge_search {"query":"How does the gateway limit callers"}'],
    ],
    ["What happened on 2026-11-20?", [calculator], []],
    ["Hello, how are you?", own, []],
    ["Write 300 words about caches.", own, []],
    ["What is 2 + 2?", [search], []],
    ["fenced leases", [search], ['knowledge_search {"query":"fenced leases"}']],
    ["Hello", [search], []],
    ["Square root of 16, please", [calculator], ['calculator {"expression":"sqrt(16)"}']],
    [
      "What is 12 * 12? Then look up in the docs what a lane is.",
      [...delegates, calculator],
      [
        'delegate_to_clerk {"task":"What is 12 * 12?"}',
        'delegate_to_researcher {"task":"look up in the docs what a lane is."}',
      ],
    ],
    [
      "What's the weather in Paris?",
      [tool("get_weather", "Current weather.", "city")],
      ['get_weather {"city":"Paris"}'],
    ],
  ];
  for (const [text, tools, expected] of cases) {
    test(`${text} [${tools.map(({ name }) => name).join(", ")}]`, () => {
      expect(runAgent(text, tools, () => "42").calls).toEqual(expected);
    });
  }
});

describe("how a run goes on", () => {
  test("calls come one after another, and the answer quotes what each returned", () => {
    const run = runAgent(
      "What is 12345 * 678? Then look up in the docs how leases are fenced.",
      own,
      (name) =>
        name === "calculator"
          ? "8369910"
          : JSON.stringify({ passages: [{ source: "docs/A.md", text: "By an epoch." }] }),
    );
    expect(run.steps).toEqual([1, 1, 0]);
    expect(run.answer).toBe(
      "[simulated] 12345 * 678 = 8369910. On “how leases are fenced” the documents say (docs/A.md): “By an epoch.”",
    );
  });

  test("calls come in one answer when the user asks for them at the same time", () => {
    const run = runAgent(
      "At the same time: what is 1 + 2, and then what is 3 + 4?",
      own,
      () => "x",
    );
    expect(run.steps).toEqual([2, 0]);
  });

  test("a failed tool is told as failed, whether it failed in JSON or in prose", () => {
    const inJson = runAgent(
      "What is 1 / 0?",
      own,
      () => '{"error":{"message":"division by zero"}}',
    );
    expect(inJson.answer).toBe("[simulated] The tool calculator failed: division by zero.");
    const inProse = runAgent("What is 1 / 0?", own, () => "error: division by zero");
    expect(inProse.answer).toContain("The tool calculator failed");
    const inSentence = runAgent("What is 1 / 0?", own, () => "The result is not finite (1/0).");
    expect(inSentence.answer).toContain("The tool calculator failed");
  });

  test("delegates report under their own names, without the label repeated", () => {
    const text = "What is 12 * 12? Then look up in the docs what a lane is.";
    const run = runAgent(text, delegates, () => "[simulated] 12 * 12 = 144.");
    expect(run.answer).toBe(
      "[simulated] clerk reports: 12 * 12 = 144. researcher reports: 12 * 12 = 144.",
    );
  });

  test("the same conversation gets the same answer, another seed another one of several", () => {
    const request = chat("Write 40 words.", []);
    expect(decide(request, 1, 0)).toEqual(decide(request, 1, 0));
    expect(decide(request, 2, 0)).not.toEqual(decide(request, 1, 0));
  });

  test("what the user adds while tools run joins the plan", () => {
    const made = { id: "a", name: "calculator", argumentsJson: '{"expression":"1 + 1"}' };
    const messages = [
      message("user", "What is 1 + 1?"),
      { ...message("assistant", ""), toolCalls: [made] },
      { ...message("tool", "2"), toolCallId: "a" },
      message("user", "And what is 3 + 3?"),
    ];
    const next = decide({ ...chat("", own), messages }, 1, 0);
    expect(next.calls).toMatchObject([{ argumentsJson: '{"expression":"3 + 3"}' }]);
  });

  test("a new user message starts a new plan, and earlier ones are remembered", () => {
    const messages = [
      message("user", "My name is Ada. What is 1 + 1?"),
      message("assistant", "[simulated] 1 + 1 = 2."),
      message("user", "What is my name?"),
    ];
    const reply = decide({ ...chat("", own), messages }, 1, 0);
    expect(reply).toEqual({ text: "[simulated] Your name is Ada.", calls: [] });
  });
});

describe("tool_choice", () => {
  test("none: no call although one would fit", () => {
    const reply = decide({ ...chat("What is 1 + 1?", own), toolChoice: { kind: "none" } }, 1, 0);
    expect(reply.calls).toEqual([]);
    expect(reply.text).toStartWith("[simulated] ");
  });

  test("required: a call although none would fit, with arguments of the declared types", () => {
    const weather: Tool = {
      name: "get_weather",
      description: "",
      parameters: {
        type: "object",
        properties: { unit: { type: "string", enum: ["c", "f"] }, hot: { type: "boolean" } },
        required: ["unit", "hot"],
      },
    };
    const reply = decide({ ...chat("Hi", [weather]), toolChoice: { kind: "required" } }, 1, 0);
    expect(reply.calls).toMatchObject([
      { name: "get_weather", argumentsJson: '{"unit":"c","hot":true}' },
    ]);
  });

  test("named: that function, with the arguments the message suggests", () => {
    const request = chat("What is 2 + 2?", own);
    const reply = decide({ ...request, toolChoice: { kind: "named", name: "calculator" } }, 1, 0);
    expect(reply.calls).toMatchObject([
      { name: "calculator", argumentsJson: '{"expression":"2 + 2"}' },
    ]);
  });
});

test("asked for a number of words, the answer has exactly that many", () => {
  const reply = decide(chat("Please write 300 words about caches.", []), 1, 0);
  expect(reply.text.split(" ")).toHaveLength(300);
});

/** Plays the orchestrator: feeds results back until the script answers with text alone. */
function runAgent(text: string, tools: readonly Tool[], resultOf: (name: string) => string) {
  const messages: ChatMessage[] = [message("system", "You are an agent."), message("user", text)];
  const calls: string[] = [];
  const steps: number[] = [];
  for (let step = 1; step <= 10; step++) {
    const reply: Reply = decide({ ...chat("", tools), messages }, 1, 0);
    steps.push(reply.calls.length);
    if (reply.calls.length === 0) return { calls, steps, answer: reply.text };
    const made = reply.calls.map((call, index) => ({ ...call, id: `call-${step}-${index}` }));
    messages.push({ ...message("assistant", reply.text), toolCalls: made });
    for (const call of made) {
      calls.push(`${call.name} ${call.argumentsJson}`);
      messages.push({ ...message("tool", resultOf(call.name)), toolCallId: call.id });
    }
  }
  throw new Error(`no answer after ten steps: ${calls.join("; ")}`);
}

function chat(text: string, tools: readonly Tool[]): ScriptRequest {
  return {
    model: "warmpath-sim",
    messages: [message("user", text)],
    tools,
    toolChoice: { kind: tools.length === 0 ? "none" : "auto" },
    responseSchema: undefined,
  };
}

function message(role: string, text: string): ChatMessage {
  return { role, text, toolCalls: [], toolCallId: undefined };
}

function tool(name: string, description: string, argument: string): Tool {
  return {
    name,
    description,
    parameters: {
      type: "object",
      properties: { [argument]: { type: "string" } },
      required: [argument],
    },
  };
}
