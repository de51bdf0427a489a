import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { fromBinary } from "@bufbuild/protobuf";
import { Lane, LiveUpdateSchema, TaskState } from "@warmpath/proto/common";
import { controlSubject, liveSubject } from "@warmpath/runtime";
import {
  ada,
  createEffectTool,
  createHarness,
  type Harness,
  resultsSeen,
  specOf,
  specTool,
  userTexts,
} from "../testing/index.ts";
import { delegateTool } from "../tools/delegate.ts";

// A database starts and a lease expires within some of these, on a machine that does other things
// too.
setDefaultTimeout(20_000);

const slow = createEffectTool("slow", {
  idempotent: false,
  onCall: () => new Promise<void>((resolve) => setTimeout(resolve, 300)),
});
const callsOf = (taskId: string) => slow.keysSeen.filter((key) => key.startsWith(taskId)).length;
const clerk = specOf("clerk");
const specs = [
  specOf("assistant"),
  specOf("elsewhere"),
  clerk,
  specOf("boss", { tools: [delegateTool(clerk)] }),
  specOf("toolful", { tools: [specTool(slow)] }),
];

const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  for (let tries = 0; tries < 300; tries++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error("it did not come true");
};

describe("a worker", () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await createHarness({ specs, tools: [slow], script: () => ({}) });
  });
  afterEach(async () => {
    await harness.drainWorkers();
    harness.model.requests.length = 0;
    harness.model.aborted = 0;
  });
  afterAll(() => harness.close());

  test("runs what is submitted, and its live text adds up to the answer", async () => {
    harness.model.script = () => ({ text: "hello there, this is the answer" });
    await harness.worker();
    const pieces: string[] = [];
    const subscription = await harness.bus.subscribe(
      `${liveSubject("acme", "x").slice(0, -1)}*`,
      (payload) => {
        const { update } = fromBinary(LiveUpdateSchema, payload);
        if (update.case === "delta") pieces.push(update.value.text);
      },
    );
    const taskId = await harness.submit("assistant", "hi");
    expect((await harness.ended(taskId)).answer).toBe("hello there, this is the answer");
    expect(pieces.join("")).toBe("hello there, this is the answer");
    subscription.close();
  });

  test("a supervisor waits for its child without a worker's slot and gets its answer", async () => {
    harness.model.script = (request) => {
      if (request.tools.length === 0) return { text: "42" };
      const result = resultsSeen(request).get("d");
      return result
        ? { text: `clerk: ${result}` }
        : { calls: [{ callId: "d", name: "delegate_to_clerk", args: '{"task":"6*7"}' }] };
    };
    // One slot: a parent that held it while waiting would block its child for ever.
    await harness.worker(undefined, 1);
    const taskId = await harness.submit("boss", "go");
    const ended = await harness.ended(taskId);
    expect(ended.answer).toBe("clerk: 42");
    // Two calls of the supervisor's own, and its child's one.
    expect(ended.usage).toMatchObject({ modelCalls: 3n, inputTokens: 30n, outputTokens: 15n });
    expect((await harness.events(taskId)).map(({ kind }) => kind.case)).toContain("waiting");
  });

  test("a cancel ends the model call under way and records the cancel", async () => {
    harness.model.script = () => ({ hangs: true });
    const worker = await harness.worker();
    const taskId = await harness.submit("assistant", "hi");
    await until(() => harness.model.requests.length === 1);
    await harness.tasks.cancelTask({ taskId }, { principal: ada });
    expect((await harness.ended(taskId)).state).toBe(TaskState.CANCELLED);
    await until(() => harness.model.aborted === 1);
    await until(() => worker.runCount === 0);
  });

  test("a cancel does not wait for a tool under way, and no later result is recorded", async () => {
    harness.model.script = () => ({ calls: [{ callId: "c", name: "slow", args: "{}" }] });
    const worker = await harness.worker();
    const taskId = await harness.submit("toolful", "hi");
    await until(() => callsOf(taskId) === 1);
    await harness.tasks.cancelTask({ taskId }, { principal: ada });
    await harness.ended(taskId);
    await until(() => worker.runCount === 0);
    const kinds = (await harness.events(taskId)).map(({ kind }) => kind.case);
    expect(kinds.slice(-2)).toEqual(["toolStarted", "cancelled"]);
  });

  test("a message to a supervisor that waits is taken in, and its child's answer too", async () => {
    harness.model.script = (request) => {
      if (request.tools.length === 0) return { hangs: true };
      const result = resultsSeen(request).get("d");
      return result
        ? { text: `${result} ${userTexts(request).length}` }
        : { calls: [{ callId: "d", name: "delegate_to_clerk", args: '{"task":"go"}' }] };
    };
    await harness.worker();
    const taskId = await harness.submit("boss", "go");
    await until(async () => (await harness.task(taskId)).state === TaskState.WAITING);
    await harness.tasks.sendMessage({ taskId, text: "also" }, { principal: ada });
    await until(async () =>
      (await harness.events(taskId)).some(({ kind }) => kind.case === "messageReceived"),
    );
    await until(async () => (await harness.task(taskId)).state === TaskState.WAITING);
    expect((await harness.events(taskId)).length).toBeLessThan(9);
    const [child] = await harness.store.write.query<{ task_id: string }>(
      "select task_id from tasks where parent_task_id = $1",
      [taskId],
    );
    await harness.tasks.cancelTask({ taskId: child?.task_id ?? "" }, { principal: ada });
    expect((await harness.ended(taskId)).answer).toBe("The delegated task was cancelled. 2");
  });

  test("cancelling a supervisor cancels its child and frees the child's slot", async () => {
    harness.model.script = (request) =>
      request.tools.length === 0
        ? { hangs: true }
        : { calls: [{ callId: "d", name: "delegate_to_clerk", args: '{"task":"go"}' }] };
    await harness.worker();
    const taskId = await harness.submit("boss", "go");
    await until(() => harness.model.requests.length === 2);
    await until(async () => (await harness.task(taskId)).state === TaskState.WAITING);
    await harness.tasks.cancelTask({ taskId }, { principal: ada });
    expect((await harness.ended(taskId)).state).toBe(TaskState.CANCELLED);
    await until(() => harness.model.aborted === 1);
  });

  test("draining hands a run back at once, and another worker finishes it", async () => {
    harness.model.script = () => ({ hangs: true });
    const first = await harness.worker();
    const taskId = await harness.submit("assistant", "hi");
    await until(() => harness.model.requests.length === 1);
    const began = performance.now();
    await first.drain(5_000);
    expect(performance.now() - began).toBeLessThan(2_000);
    expect((await harness.task(taskId)).state).toBe(TaskState.QUEUED);
    harness.model.script = () => ({ text: "finished elsewhere" });
    await harness.worker();
    expect((await harness.ended(taskId)).answer).toBe("finished elsewhere");
  });

  test("draining waits for a tool that must not be cut, and its result is recorded", async () => {
    harness.model.script = (request) =>
      resultsSeen(request).size > 0
        ? { text: "done" }
        : { calls: [{ callId: "c", name: "slow", args: "{}" }] };
    const first = await harness.worker();
    const taskId = await harness.submit("toolful", "hi");
    await until(() => callsOf(taskId) === 1);
    await first.drain(5_000);
    const kinds = (await harness.events(taskId)).map(({ kind }) => kind.case);
    expect(kinds.at(-1)).toBe("toolFinished");
    await harness.worker();
    await harness.ended(taskId);
    expect(callsOf(taskId)).toBe(1);
  });

  test("a task of an agent that nobody knows is handed back, not failed at once", async () => {
    harness.model.script = () => ({ text: "hello" });
    harness.specs.delete("elsewhere");
    await harness.worker();
    const taskId = await harness.submit("elsewhere", "hi", { lane: Lane.INTERACTIVE });
    const other = await harness.submit("assistant", "hi");
    await harness.ended(other);
    harness.specs.set("elsewhere", specOf("elsewhere"));
    expect((await harness.ended(taskId)).state).toBe(TaskState.COMPLETED);
  });
});

describe("a worker's leases", () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await createHarness({ specs, script: () => ({ hangs: true }), leaseMs: 2_000 });
    await harness.sweep();
  });
  afterEach(async () => {
    await harness.drainWorkers();
    harness.model.requests.length = 0;
    harness.model.aborted = 0;
  });
  afterAll(() => harness.close());

  test("holds a run longer than its lease by renewing it", async () => {
    await harness.worker();
    const taskId = await harness.submit("assistant", "hi");
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(harness.model.requests).toHaveLength(1);
    await harness.tasks.cancelTask({ taskId }, { principal: ada });
    await harness.ended(taskId);
  });

  test("a cancel that another worker took in ends the run here instead of turning in circles", async () => {
    harness.model.script = () => ({ hangs: true });
    const worker = await harness.worker();
    const taskId = await harness.submit("assistant", "hi");
    await until(() => harness.model.requests.length === 1);
    // As after a freeze: the cancel is seen, and gone before the run comes to take it.
    const { inputs } = harness.taskLog;
    let reads = 0;
    harness.taskLog.inputs = (ref) => {
      reads += 1;
      return reads === 1 ? Promise.resolve([{ inputId: 1n, kind: "cancel" }]) : inputs(ref);
    };
    harness.bus.publish(controlSubject(ada.tenant, taskId), new Uint8Array());
    await until(() => worker.runCount === 0);
    harness.taskLog.inputs = inputs;
    expect(reads).toBeLessThan(10);
    await harness.tasks.cancelTask({ taskId }, { principal: ada });
  });

  test("a lease that cannot be renewed stops the run before it expires, and nothing more is written", async () => {
    harness.model.script = () => ({ hangs: true });
    const worker = await harness.worker();
    harness.taskLog.renew = () => Promise.reject(new Error("no database"));
    const taskId = await harness.submit("assistant", "hi");
    await until(() => harness.model.requests.length === 1);
    await until(() => harness.model.aborted === 1);
    await until(() => worker.runCount === 0);
    expect((await harness.events(taskId)).map(({ kind }) => kind.case)).toEqual([
      "submitted",
      "started",
    ]);
  });
});
