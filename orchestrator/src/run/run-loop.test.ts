import {
  afterAll,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { TaskState, ToolOutcome } from "@warmpath/proto/common";
import { WarmpathError } from "@warmpath/runtime/base";
import {
  ada,
  createEffectTool,
  createHarness,
  type Harness,
  resultsSeen,
  type ScriptedAnswer,
  specOf,
  specTool,
  userTexts,
} from "../testing/index.ts";
import { calculator } from "../tools/calculator.ts";
import { delegateTool } from "../tools/delegate.ts";
import { done, failed, type Tool } from "../tools/tool.ts";

// Opening a database takes seconds on a machine that does other things too.
setDefaultTimeout(20_000);

const effect = createEffectTool("effect", { idempotent: false });
const odd: Tool = {
  ...createEffectTool("odd", { idempotent: true }),
  parametersJson: '{"type":"object"}',
  async call({ argumentsJson, signal }) {
    const { how } = JSON.parse(argumentsJson);
    if (how === "throw") throw new Error("it broke");
    if (how === "hang") await new Promise((_, reject) => signal.addEventListener("abort", reject));
    if (how === "deaf") await new Promise(() => undefined);
    if (how === "large") return done("é".repeat(50_000));
    if (how === "nul") return done("a\u0000b\ud800c");
    return failed("no");
  },
};

const call = (callId: string, name: string, args: string): ScriptedAnswer => ({
  calls: [{ callId, name, args }],
});

describe("a run", () => {
  let harness: Harness;
  const tools = [calculator, effect, odd];
  const limits = { ...specOf("x").limits, toolTimeoutMs: 200 };
  const assistant = specOf("assistant", { tools: tools.map(specTool), limits });
  const nested = { ...specOf("nested"), subAgents: ["nested"] };
  beforeAll(async () => {
    harness = await createHarness({
      specs: [assistant, { ...nested, tools: [delegateTool(nested)] }],
      tools,
      script: () => ({}),
      historyMessagesMax: 12,
    });
  });
  afterAll(() => harness.close());
  beforeEach(() => {
    harness.model.requests.length = 0;
  });

  /** Submits, lets the model make one call, and returns what it was told of it. */
  async function resultOf(answer: ScriptedAnswer) {
    harness.model.script = (request) => (resultsSeen(request).size > 0 ? { text: "ok" } : answer);
    const taskId = await harness.submit("assistant", "go");
    const outcome = await harness.runOnce(taskId);
    expect(outcome).toBe("completed");
    const finished = (await harness.events(taskId)).flatMap(({ kind }) =>
      kind.case === "toolFinished" ? [kind.value] : [],
    );
    return { taskId, outcome: finished[0]?.outcome, content: finished[0]?.content ?? "" };
  }

  test("calls the model, executes its tools, and completes with the answer", async () => {
    harness.model.script = (request) => {
      const result = resultsSeen(request).get("c1");
      return result
        ? { text: `It is ${JSON.parse(result).result}.` }
        : call("c1", "calculator", '{"expression":"12345*678"}');
    };
    const taskId = await harness.submit("assistant", "What is 12345 * 678?");
    expect(await harness.runOnce(taskId)).toBe("completed");
    const task = await harness.task(taskId);
    expect(task.state).toBe(TaskState.COMPLETED);
    expect(task.answer).toBe("It is 8369910.");
    expect(task.usage?.modelCalls).toBe(2n);
    expect(task.steps).toBe(2);
    const kinds = (await harness.events(taskId)).map(({ kind }) => kind.case);
    expect(kinds).toEqual([
      "submitted",
      "started",
      "modelAnswered",
      "toolStarted",
      "toolFinished",
      "modelAnswered",
      "completed",
    ]);
  });

  test.each([
    ["a tool it does not list", call("c", "rm", "{}"), "no tool"],
    ["arguments that are no JSON", call("c", "calculator", '{"expr'), "not valid JSON"],
    ["arguments that break the schema", call("c", "calculator", '{"n":1}'), "schema"],
    [
      "a call of a cut answer",
      { ...call("c", "effect", '{"n":1}'), finishReason: "length" },
      "cut",
    ],
    ["a tool that throws", call("c", "odd", '{"how":"throw"}'), "it broke"],
    ["a tool that is too slow", call("c", "odd", '{"how":"hang"}'), "did not answer within 200 ms"],
    ["a tool that ignores its signal", call("c", "odd", '{"how":"deaf"}'), "did not answer"],
  ])("tells the model of %s and goes on", async (_, answer, part) => {
    const effectsBefore = effect.keysSeen.length;
    const result = await resultOf(answer);
    expect(result.outcome).toBe(ToolOutcome.FAILED);
    expect(result.content).toContain(part);
    expect(effect.keysSeen.length).toBe(effectsBefore);
  });

  test("shows the model a bounded result, and one with NUL and half characters as legal text", async () => {
    const large = await resultOf(call("c", "odd", '{"how":"large"}'));
    expect(Buffer.byteLength(large.content)).toBeLessThanOrEqual(4_096);
    expect(large.content).toContain("cut: 100000 bytes");
    const nul = await resultOf(call("c", "odd", '{"how":"nul"}'));
    expect(nul.content).toBe("a\u0000b\ufffdc");
  });

  test("retries a model call that failed, with a higher attempt, and completes", async () => {
    const cut = new WarmpathError("failed-upstream-cut", "cut");
    harness.model.script = (_, index) =>
      index < 2 ? { fault: { error: cut, afterText: "half an ans" } } : { text: "whole" };
    const taskId = await harness.submit("assistant", "go");
    expect(await harness.runOnce(taskId)).toBe("completed");
    expect((await harness.task(taskId)).answer).toBe("whole");
    const { events } = await harness.tasks.readEvents({ taskId }, { principal: ada });
    const answered = events.find(({ event }) => event?.kind.case === "modelAnswered");
    expect(answered?.attempt).toBe(1_003n);
  });

  test.each([
    [
      "tries are used up",
      new WarmpathError("failed-upstream-cut", "cut"),
      3,
      "failed-upstream-cut",
    ],
    ["the error is final", new WarmpathError("rejected-no-model", "none"), 1, "rejected-no-model"],
  ])("fails with the model's reason when %s", async (_, error, requests, reason) => {
    harness.model.script = () => ({ fault: { error } });
    const taskId = await harness.submit("assistant", "go");
    expect(await harness.runOnce(taskId)).toBe("failed");
    expect((await harness.task(taskId)).failure?.reason).toBe(reason);
    expect(harness.model.requests).toHaveLength(requests);
  });

  test("offers a call that no engine takes again and again, until one does", async () => {
    const error = new WarmpathError("rejected-no-replica", "none");
    harness.model.script = (_, index) => (index < 12 ? { fault: { error } } : { text: "late" });
    const taskId = await harness.submit("assistant", "go");
    expect(await harness.runOnce(taskId)).toBe("completed");
    expect((await harness.task(taskId)).answer).toBe("late");
  });

  test("does not pass a cut answer off as a whole one", async () => {
    harness.model.script = () => ({ text: "half", finishReason: "length" });
    const taskId = await harness.submit("assistant", "go");
    expect(await harness.runOnce(taskId)).toBe("failed");
    expect((await harness.task(taskId)).failure?.reason).toBe("failed-output-limit");
  });

  test("ends a run that repeats itself", async () => {
    harness.model.script = (_, index) => call(`c${index}`, "calculator", '{"expression":"1+1"}');
    const taskId = await harness.submit("assistant", "go");
    expect(await harness.runOnce(taskId)).toBe("failed");
    expect((await harness.task(taskId)).failure?.reason).toBe("failed-loop");
    expect(harness.model.requests).toHaveLength(4);
  });

  test("takes in a message that arrives just as the final answer is recorded", async () => {
    harness.model.script = (request) => ({ text: userTexts(request).join("+") });
    const taskId = await harness.submit("assistant", "first");
    const outcome = await harness.runOnce(taskId, async (place) => {
      if (place !== "before-completed" || harness.model.requests.length > 1) return;
      await harness.tasks.sendMessage({ taskId, text: "second" }, { principal: ada });
    });
    expect(outcome).toBe("completed");
    expect((await harness.task(taskId)).answer).toBe("first+second");
  });

  test("takes in a message before its next step", async () => {
    harness.model.script = (request) =>
      resultsSeen(request).size > 0
        ? { text: userTexts(request).join("+") }
        : call("c", "calculator", '{"expression":"1"}');
    const taskId = await harness.submit("assistant", "first");
    await harness.runOnce(taskId, async (place) => {
      if (place !== "after-tools-executing") return;
      await harness.tasks.sendMessage({ taskId, text: "second" }, { principal: ada });
    });
    expect((await harness.task(taskId)).answer).toBe("first+second");
  });

  test("continues a conversation with every earlier message, byte for byte, and refuses one too long", async () => {
    harness.model.script = (request) => ({ text: `n${request.messages.length}` });
    const threadId = "thread";
    for (const expected of ["n2", "n4", "n6", "n8", "n10", "n12"]) {
      const taskId = await harness.submit("assistant", "more", { threadId });
      await harness.runOnce(taskId);
      expect((await harness.task(taskId)).answer).toBe(expected);
    }
    const sessions = new Set(harness.model.requests.map(({ sessionId }) => sessionId));
    expect(sessions.size).toBe(1);
    expect([...sessions][0]).toMatch(/^thread_[0-9a-f]{32}$/);
    const taskId = await harness.submit("assistant", "more", { threadId });
    await harness.runOnce(taskId);
    expect((await harness.task(taskId)).failure?.reason).toBe("failed-context-length");
  });

  test("may not delegate deeper than the limit, and says so to the model", async () => {
    harness.model.script = (request) => {
      const result = resultsSeen(request).get("d");
      return result ? { text: result } : call("d", "delegate_to_nested", '{"task":"deeper"}');
    };
    const taskId = await harness.submit("nested", "go");
    const seen = new Set<string>();
    for (let round = 0; round < 12; round++) {
      const rows = await harness.store.write.query<{ task_id: string }>(
        "select task_id from tasks where tenant = $1 and root_task_id = $2 and state = 'QUEUED'",
        [ada.tenant, taskId],
      );
      for (const { task_id } of rows) {
        seen.add(task_id);
        await harness.runOnce(task_id);
      }
    }
    expect(seen.size).toBe(3);
    expect((await harness.task(taskId)).answer).toContain("Delegation may not go deeper than 2");
  });

  test("a task that kills its workers without progress is failed, not tried for ever", async () => {
    harness.model.script = () => ({ text: "ok" });
    const taskId = await harness.submit("assistant", "poison");
    for (let claims = 0; claims < 20; claims++) {
      await harness.taskLog.claim({ tenant: ada.tenant, taskId }, "worker-dies");
      await harness.expireLeases();
    }
    expect(await harness.runOnce(taskId)).toBe("failed");
    expect((await harness.task(taskId)).failure?.reason).toBe("failed-run");
  });
});
