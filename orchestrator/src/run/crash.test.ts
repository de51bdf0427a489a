/**
 * Goal: whatever the place at which a worker dies, another one finishes the run, no recorded model
 * answer is asked for again, and no effect of a tool that is not idempotent happens twice. Method:
 * the real log; a crash point that throws at one place; the lease is expired by hand; the next
 * claim goes on.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import { fromBinary } from "@bufbuild/protobuf";
import { TaskState, ToolOutcome } from "@warmpath/proto/common";
import { EventSchema } from "@warmpath/proto/log";
import {
  ada,
  Crash,
  createEffectTool,
  createHarness,
  type EffectTool,
  type Harness,
  resultsSeen,
  specOf,
  specTool,
} from "../testing/index.ts";
import { delegateTool } from "../tools/delegate.ts";
import type { CrashPlace, CrashPoint } from "./crash-point.ts";
import { foldEvents } from "./fold.ts";

// Opening a database takes seconds on a machine that does other things too.
setDefaultTimeout(20_000);

const once = createEffectTool("once", { idempotent: false });
const again = createEffectTool("again", { idempotent: true });
const asked = createEffectTool("asked", { idempotent: false, reconcilable: true });
const tools: readonly EffectTool[] = [once, again, asked];

/** Throws at the first passage of a place. */
function crashOnceAt(place: CrashPlace): CrashPoint & { readonly hasCrashed: () => boolean } {
  let crashed = false;
  const point = (passed: CrashPlace): void => {
    if (crashed || passed !== place) return;
    crashed = true;
    throw new Crash(place);
  };
  return Object.assign(point, { hasCrashed: () => crashed });
}

describe("a worker that dies", () => {
  let harness: Harness;
  beforeAll(async () => {
    const worker = specOf("worker", { tools: tools.map(specTool) });
    harness = await createHarness({
      specs: [worker, specOf("boss", { tools: [delegateTool(worker)], subAgents: ["worker"] })],
      tools,
      script: (request) => {
        const results = resultsSeen(request);
        const isBoss = request.tools.some(({ name }) => name === "delegate_to_worker");
        if (isBoss) {
          return results.has("d")
            ? { text: `worker says ${results.get("d")}` }
            : { calls: [{ callId: "d", name: "delegate_to_worker", args: '{"task":"work"}' }] };
        }
        if (results.has("b")) return { text: "all done" };
        if (results.has("a2")) return { calls: [{ callId: "b", name: "once", args: '{"n":9}' }] };
        return {
          calls: [
            { callId: "a1", name: "once", args: '{"n":1}' },
            { callId: "a2", name: "again", args: '{"n":2}' },
            { callId: "a3", name: "asked", args: '{"n":3}' },
          ],
        };
      },
    });
  });
  afterAll(() => harness.close());

  /** Runs until the task ends; every crash is followed by the lease's expiry and a new claim. */
  async function runThrough(taskId: string, crashPoint: CrashPoint): Promise<void> {
    for (let claims = 0; claims < 10; claims++) {
      try {
        const outcome = await harness.runOnce(taskId, crashPoint);
        if (outcome && outcome !== "waiting") return;
      } catch (error) {
        if (!(error instanceof Crash)) throw error;
      }
      await harness.expireLeases();
      if (outcomeIsFinal(await harness.task(taskId))) return;
    }
    throw new Error("the run did not end");
  }

  const outcomeIsFinal = ({ state }: { state: TaskState }) =>
    state === TaskState.COMPLETED || state === TaskState.FAILED;

  const places: CrashPlace[] = [
    "before-started",
    "after-started",
    "before-model-answered",
    "after-model-answered",
    "before-tools-executing",
    "after-tools-executing",
    "tool-called",
    "before-tools-finished",
    "after-tools-finished",
    "before-completed",
    "after-completed",
  ];

  test.each(places)("at %s loses nothing and repeats nothing recorded", async (place) => {
    const requestsBefore = harness.model.requests.length;
    const taskId = await harness.submit("worker", `crash at ${place}`);
    const crashPoint = crashOnceAt(place);
    await runThrough(taskId, crashPoint);

    expect(crashPoint.hasCrashed()).toBeTrue();
    const task = await harness.task(taskId);
    expect(task.state).toBe(TaskState.COMPLETED);
    expect(task.answer).toBe("all done");

    const events = await harness.events(taskId);
    const answers = events.filter(({ kind }) => kind.case === "modelAnswered");
    expect(answers).toHaveLength(3);
    // Only the call whose answer was never recorded is made again.
    const requests = harness.model.requests.length - requestsBefore;
    expect(requests).toBe(place === "before-model-answered" ? 4 : 3);
    const finishes = events.flatMap(({ kind }) =>
      kind.case === "toolFinished" ? [kind.value] : [],
    );
    expect(finishes.map(({ callId }) => callId).sort()).toEqual(["a1", "a2", "a3", "b"]);
    expect(events.map(({ seq }) => Number(seq))).toEqual(events.map((_, index) => index + 1));

    for (const tool of [once, asked]) {
      const own = [...tool.effects].filter(([key]) => key.startsWith(taskId));
      for (const [, count] of own) expect(count).toBe(1);
    }
    // What could not be known is reported so, never guessed.
    for (const { callId, name, outcome } of finishes) {
      const made = [...once.effects.keys()].some((key) => key.startsWith(taskId));
      if (outcome === ToolOutcome.UNKNOWN) expect(name).toBe("once");
      if (name === "again") expect(outcome).toBe(ToolOutcome.DONE);
      if (callId === "b") expect(made).toBeTrue();
    }
  });

  test("sends every step a prompt that extends the one before it to the byte, over a restart too", async () => {
    const before = harness.model.requests.length;
    const taskId = await harness.submit("worker", "prefix");
    await runThrough(taskId, crashOnceAt("after-tools-finished"));
    const prompts = harness.model.requests
      .slice(before)
      .map(({ messages }) => messages.map(({ wire }) => Buffer.from(wire?.data ?? []).toString()));
    expect(prompts.length).toBe(3);
    for (let index = 1; index < prompts.length; index++) {
      const earlier = prompts[index - 1] ?? [];
      expect(prompts[index]?.slice(0, earlier.length)).toEqual(earlier);
    }
    // Each message is stored once, under the hash of exactly these bytes, and the log names them.
    const sent = harness.model.requests.at(-1)?.messages.map(({ wire }) => wire?.data) ?? [];
    const hashes = sent.map((data) =>
      createHash("sha256")
        .update(data ?? "")
        .digest("hex"),
    );
    const stored = await harness.store.write.query<{ hash: string }>(
      "select encode(hash, 'hex') as hash from messages where tenant = $1",
      [ada.tenant],
    );
    expect(hashes.filter((hash) => !stored.some((row) => row.hash === hash))).toEqual([]);
    const rows = await harness.store.write.query<{
      seq: bigint;
      epoch: bigint;
      payload: Uint8Array;
    }>("select seq, epoch, payload from events where tenant = $1 and task_id = $2 order by seq", [
      ada.tenant,
      taskId,
    ]);
    const { history, messages } = foldEvents(
      rows.map(({ payload, ...row }) => ({ ...row, event: fromBinary(EventSchema, payload) })),
    );
    const logged = [...history, ...messages].map((hash) => Buffer.from(hash).toString("hex"));
    expect(logged.slice(0, hashes.length)).toEqual(hashes);
  });

  test("uses the pinned spec after a restart although the agent has changed", async () => {
    const taskId = await harness.submit("worker", "pinned");
    const before = harness.model.requests.length;
    const crash = crashOnceAt("after-tools-finished");
    await expect(harness.runOnce(taskId, crash)).rejects.toBeInstanceOf(Crash);
    const original = harness.specs.get("worker");
    harness.specs.set("worker", specOf("worker", { systemPrompt: "Changed." }));
    await harness.expireLeases();
    await harness.runOnce(taskId);
    if (original) harness.specs.set("worker", original);
    const systems = harness.model.requests
      .slice(before)
      .map(({ messages }) => Buffer.from(messages[0]?.wire?.data ?? []).toString());
    expect(new Set(systems).size).toBe(1);
    expect((await harness.task(taskId)).state).toBe(TaskState.COMPLETED);
  });

  test.each([
    "before-tools-executing",
    "after-tools-executing",
    "before-waiting",
    "after-waiting",
    "before-tools-finished",
    "after-tools-finished",
    "before-completed",
  ] as const)("at %s of a delegating run creates one child and gets its answer", async (place) => {
    const taskId = await harness.submit("boss", `delegate, crash at ${place}`);
    const crashPoint = crashOnceAt(place);
    const attempt = async (): Promise<void> => {
      await harness.runOnce(taskId, crashPoint).catch((error) => {
        if (!(error instanceof Crash)) throw error;
      });
      await harness.expireLeases();
    };
    for (let round = 0; round < 6; round++) {
      await attempt();
      for (const child of await childrenOf(taskId)) await harness.runOnce(child);
    }
    expect(crashPoint.hasCrashed()).toBeTrue();
    expect(await childrenOf(taskId)).toHaveLength(1);
    expect((await harness.task(taskId)).answer).toBe("worker says all done");
  });

  async function childrenOf(taskId: string): Promise<string[]> {
    const rows = await harness.store.write.query<{ task_id: string }>(
      "select task_id from tasks where tenant = $1 and parent_task_id = $2",
      [ada.tenant, taskId],
    );
    return rows.map(({ task_id }) => task_id);
  }

  test("a stale worker's write is refused, and its run leaves no trace", async () => {
    const taskId = await harness.submit("worker", "fenced");
    let isStolen = false;
    const steal: CrashPoint = async (place) => {
      if (isStolen || place !== "before-model-answered") return;
      isStolen = true;
      await harness.expireLeases();
      await harness.runOnce(taskId);
    };
    await expect(harness.runOnce(taskId, steal)).rejects.toThrow("no longer held");
    const events = await harness.events(taskId);
    expect(events.filter(({ kind }) => kind.case === "completed")).toHaveLength(1);
    expect(events.filter(({ kind }) => kind.case === "modelAnswered")).toHaveLength(3);
  });
});
