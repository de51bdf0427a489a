import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  answerOf,
  assertWhole,
  kindsOf,
  newWatched,
  showcaseText,
  type Watched,
  watchToEnd,
  webClient,
} from "./clients.ts";
import { type System, startSystem, topology } from "./system.ts";

const timeoutMs = 90_000;

/** How long the children of a killed process may take to notice. */
const orphansEndWithinMs = 5000;

/**
 * Every place where a tool-calling run can die: around each append, and between a tool's effect and
 * its record. The showcase takes three steps, so the second passage of a place is another step's.
 */
const places = [
  "before-started",
  "after-started",
  "before-model-answered",
  "after-model-answered",
  "before-tools-executing",
  "after-tools-executing",
  "tool-called",
  "before-tools-finished",
  "after-tools-finished",
  "before-model-answered:2",
  "tool-called:2",
  "after-tools-finished:2",
  "before-completed",
  "after-completed",
];

let system: System;

beforeAll(async () => {
  // Short leases, so that a dead worker's tasks are taken over while the test waits.
  system = await startSystem({
    env: { WARMPATH_LEASE_MS: "2000", WARMPATH_LEASE_RENEW_MS: "500" },
  });
}, timeoutMs);

afterAll(() => system.stop());

/** What the processes complained of, for whoever reads a failure. */
async function explained<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const complaints = system
      .output()
      .split("\n")
      .filter((line) => /"level":"(error|warn)"/.test(line));
    throw new Error(`${String(error)}\n${complaints.slice(-20).join("\n")}`, { cause: error });
  }
}

/** Three model answers, each step once; two tools, each finished once and done. */
function expectNothingRepeated(watched: Watched): void {
  const steps = watched.events.flatMap(({ kind }) =>
    kind.case === "modelAnswered" ? [kind.value.step] : [],
  );
  expect(steps).toEqual([1, 2, 3]);
  const finished = watched.events.flatMap(({ kind }) =>
    kind.case === "toolFinished" ? [`${kind.value.name}:${kind.value.outcome}`] : [],
  );
  expect(finished).toEqual(["calculator:1", "knowledge_search:1"]);
}

async function expectNoOrphans(): Promise<void> {
  const deadline = performance.now() + orphansEndWithinMs;
  while (system.survivors().length > 0 && performance.now() < deadline) {
    await Bun.sleep(50);
  }
  expect(system.survivors()).toEqual([]);
}

describe(`kill -9 at each transition on ${topology}`, () => {
  for (const place of places) {
    test(
      `${place}: the run finishes after the restart, and its watcher sees neither gap nor duplicate`,
      async () => {
        await system.killWorker();
        await system.restartWorker({ WARMPATH_CRASH_AT: place });
        const client = webClient(system);
        const idempotencyKey = crypto.randomUUID();
        const request = { agent: "assistant", message: { text: showcaseText }, idempotencyKey };
        const { taskId } = await client.submitTask(request);
        const watched = newWatched();
        const watching = watchToEnd(client, taskId, { watched, timeoutMs: 60_000 });
        await system.workerExited();
        if (topology !== "split") {
          await expectNoOrphans();
        }
        await system.restartWorker();
        await explained(watching);
        assertWhole(watched);
        expect(kindsOf(watched).at(-1)).toBe("completed");
        expectNothingRepeated(watched);
        expect(answerOf(watched)).toContain("8369910");
        // Who comes late sees the same, and who submits again gets the same task.
        const late = await watchToEnd(client, taskId);
        assertWhole(late);
        expect(kindsOf(late)).toEqual(kindsOf(watched));
        expect((await client.submitTask(request)).taskId).toBe(taskId);
      },
      timeoutMs,
    );
  }

  test(
    "killed mid-stream: the abandoned attempt's text is retracted, and the deltas still add up",
    async () => {
      const client = webClient(system);
      const { taskId } = await client.submitTask({
        agent: "assistant",
        message: { text: "Write 300 words about the sea." },
      });
      const watched = newWatched();
      const watching = watchToEnd(client, taskId, { watched, timeoutMs: 60_000 });
      while ((watched.textOfStep.get(1) ?? "").length < 40) {
        await Bun.sleep(10);
      }
      await system.killWorker();
      await system.restartWorker();
      await explained(watching);
      assertWhole(watched);
      expect(kindsOf(watched)).toEqual(["submitted", "started", "modelAnswered", "completed"]);
    },
    timeoutMs,
  );
});
