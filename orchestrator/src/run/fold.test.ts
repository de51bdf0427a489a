/**
 * Goal: the state depends on the events alone, not on where a worker began to fold. Method: seeded
 * random runs, folded whole and in two parts at every place.
 */
import { describe, expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { ToolOutcome } from "@warmpath/proto/common";
import { type Event, EventSchema } from "@warmpath/proto/log";
import { type Random, seededRandom } from "@warmpath/runtime/base";
import { type FoldedEvent, foldEvents } from "./fold.ts";
import { nextAction } from "./next-action.ts";

const limits = {
  maxSteps: 5,
  maxOutputTokens: 100,
  maxToolCalls: 10,
  maxRepeatedCalls: 2,
  toolTimeoutMs: 1_000,
  modelTimeoutMs: 1_000,
};

const hash = (text: string) => new TextEncoder().encode(text);
const eventOf = (kind: Parameters<typeof create<typeof EventSchema>>[1]) =>
  create(EventSchema, kind);
const numbered = (events: readonly Event[]): FoldedEvent[] =>
  events.map((event, index) => ({ seq: BigInt(index + 1), epoch: 1n, event }));

const submitted = eventOf({ kind: { case: "submitted", value: { messageHash: hash("user") } } });
const started = eventOf({
  kind: {
    case: "started",
    value: { agentSpecHash: hash("spec"), historyHashes: [hash("system")] },
  },
});
const answered = (step: number, callIds: readonly string[], finishReason = "stop", args = "{}") =>
  eventOf({
    kind: {
      case: "modelAnswered",
      value: {
        step,
        messageHash: hash(`answer ${step}`),
        finishReason,
        intents: callIds.map((callId) => ({ callId, name: "t", argumentsJson: hash(args) })),
        usage: { inputTokens: 3n, outputTokens: 2n, modelCalls: 1n },
      },
    },
  });
const executing = (callId: string, childTaskId = "") =>
  eventOf({
    kind: {
      case: "toolsExecuting",
      value: { calls: [{ callId, idempotencyKey: "k", childTaskId }] },
    },
  });
const finished = (callId: string, outcome = ToolOutcome.DONE) =>
  eventOf({
    kind: {
      case: "toolsFinished",
      value: { results: [{ callId, outcome, messageHash: hash(`result ${callId}`) }] },
    },
  });
const received = (text: string) =>
  eventOf({ kind: { case: "messageReceived", value: { messageHash: hash(text) } } });

function randomRun(random: Random): Event[] {
  const events = [submitted, started];
  const steps = 1 + Math.floor(random.next() * 5);
  for (let step = 1; step <= steps; step++) {
    const calls = Array.from({ length: Math.floor(random.next() * 4) }, (_, i) => `s${step}c${i}`);
    events.push(answered(step, calls));
    events.push(...calls.map((callId) => executing(callId)));
    const order = [...calls].sort(() => random.next() - 0.5);
    for (const callId of order) {
      if (random.next() < 0.2) events.push(received(`m${events.length}`));
      if (random.next() < 0.9 || step < steps) events.push(finished(callId));
    }
  }
  return events;
}

describe("foldEvents()", () => {
  test("folding a prefix and then the rest is folding all, for any run and place", () => {
    for (let seed = 0; seed < 50; seed++) {
      const events = numbered(randomRun(seededRandom(seed)));
      const whole = foldEvents(events);
      for (let cut = 0; cut <= events.length; cut++) {
        const parts = foldEvents(events.slice(cut), foldEvents(events.slice(0, cut)));
        expect(parts).toEqual(whole);
      }
    }
  });

  test("shows the model results in the order of its calls, and a message received meanwhile after them", () => {
    const state = foldEvents(
      numbered([
        submitted,
        started,
        answered(1, ["a", "b"]),
        executing("a"),
        executing("b"),
        finished("b"),
        received("also"),
        finished("a"),
      ]),
    );
    expect(state.messages.map((bytes) => new TextDecoder().decode(bytes))).toEqual([
      "user",
      "answer 1",
      "result a",
      "result b",
      "also",
    ]);
    expect(state.sentCount).toBe(2);
    expect(state.usage.inputTokens).toBe(3n);
  });

  test("refuses events with a gap", () => {
    const [first, , third] = numbered([submitted, started, answered(1, [])]);
    expect(() => foldEvents([first, third].filter((event) => event !== undefined))).toThrow();
  });
});

describe("nextAction()", () => {
  const kindAfter = (events: readonly Event[], inputs: Parameters<typeof nextAction>[1] = []) =>
    nextAction(foldEvents(numbered(events)), inputs, limits).kind;
  const message = { inputId: 1n, kind: "message" as const, messageHash: hash("m") };
  const run = [submitted, started];

  test.each([
    ["start", [submitted], []],
    ["call-model", run, []],
    ["execute", [...run, answered(1, ["a"])], []],
    ["recover", [...run, answered(1, ["a"]), executing("a")], []],
    ["wait", [...run, answered(1, ["a"]), executing("a", "task_child")], []],
    ["call-model", [...run, answered(1, ["a"]), executing("a"), finished("a")], []],
    ["complete", [...run, answered(1, [])], []],
    ["fail", [...run, answered(1, [], "length")], []],
    ["fail", [...run, answered(1, [], "content_filter")], []],
    ["call-model", [...run, answered(1, []), received("more")], []],
    ["take-messages", [...run, answered(1, [])], [message]],
    ["take-messages", [...run, answered(1, ["a"]), executing("a", "task_child")], [message]],
    ["execute", [...run, answered(1, ["a"])], [message]],
    ["cancel", [...run, answered(1, ["a"])], [message, { inputId: 2n, kind: "cancel" as const }]],
    [
      "finish-delegates",
      [...run, answered(1, ["a"]), executing("a", "task_child")],
      [{ inputId: 3n, kind: "child-ended" as const, callId: "a", childTaskId: "task_child" }],
    ],
    [
      "call-model",
      run,
      [{ inputId: 3n, kind: "child-ended" as const, callId: "gone", childTaskId: "task_other" }],
    ],
  ] as const)("is %s", (kind, events, inputs) => {
    expect(kindAfter(events, inputs)).toBe(kind);
  });

  test("fails a run at its step limit, and one that repeats a call whatever its spacing", () => {
    const steps = [1, 2, 3, 4, 5].flatMap((step) => [
      answered(step, [`c${step}`], "tool_calls", `{"n":${step}}`),
      finished(`c${step}`),
    ]);
    expect(nextAction(foldEvents(numbered([...run, ...steps])), [], limits)).toMatchObject({
      kind: "fail",
      reason: "failed-step-limit",
    });
    const repeats = [1, 2].flatMap((step) => [
      answered(step, [`c${step}`], "tool_calls", '{"n": 1}'),
      finished(`c${step}`),
    ]);
    const third = answered(3, ["c3"], "tool_calls", '{"n":1}');
    expect(nextAction(foldEvents(numbered([...run, ...repeats, third])), [], limits)).toMatchObject(
      {
        kind: "fail",
        reason: "failed-loop",
      },
    );
  });
});
