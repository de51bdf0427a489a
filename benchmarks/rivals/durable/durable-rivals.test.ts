/**
 * Goal: the tasks that are compared are the same task, and a wrong or failed one is seen.
 * Method: the driver on tasks made up here; rivals that happen to be installed on the tiny plan.
 */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { startReplica, zeroLatencyFlags } from "../../system/start-replica.ts";
import { driveTasks } from "./drive.ts";
import { runDurableRivals } from "./durable-rivals.ts";
import { tinyPlan } from "./plan.ts";
import type { Model, TaskEnd } from "./system.ts";

const bootTimeoutMs = 180_000;

test("a load is so many tasks at once, and counts what failed apart from what ended", async () => {
  let underWay = 0;
  let most = 0;
  let begun = 0;
  const run = async () => {
    begun += 1;
    const number = begun;
    underWay += 1;
    most = Math.max(most, underWay);
    await Bun.sleep(1);
    underWay -= 1;
    if (number === 3) throw new Error("lost");
    return number === 4 ? "a wrong answer" : undefined;
  };
  const tally = await driveTasks(run, { inFlight: 3, durationMs: 10_000, tasksMax: 12 });
  expect({ most, begun }).toEqual({ most: 3, begun: 12 });
  expect(tally).toMatchObject({ tasks: 10, failureCount: 2 });
  expect(tally.failures.toSorted()).toEqual(["Error: lost", "a wrong answer"]);
});

interface AgentLoop {
  runAgent(
    question: string,
    model: Model,
    step: <Result>(name: string, call: () => Promise<Result>) => Promise<Result>,
  ): Promise<TaskEnd>;
}

test("the rivals' task takes five recorded steps, and replaying what was recorded asks nobody", async () => {
  const path = join(import.meta.dir, "apps/agent-loop.mjs");
  // Plain JavaScript, because Node runs it.
  const { runAgent } = (await import(path)) as AgentLoop;
  const replica = await startReplica(zeroLatencyFlags);
  const model = { url: replica.url, name: "warmpath-sim" };
  const question = "What is 1 + 1? Then what is 2 + 2? Then what is 3 + 3? Then what is 4 + 4?";
  const recorded = new Map<string, unknown>();
  const record = async <Result>(name: string, call: () => Promise<Result>): Promise<Result> => {
    // What a journal holds is what was put into it.
    if (!recorded.has(name)) recorded.set(name, JSON.parse(JSON.stringify(await call())));
    return recorded.get(name) as Result;
  };
  try {
    const first = await runAgent(question, model, record);
    expect(first.steps).toBe(5);
    expect(first.answer).toContain("4 + 4 = 8");
    expect(recorded.size).toBe(5);
    await replica.stop();
    expect(await runAgent(question, model, record)).toEqual(first);
  } finally {
    await replica.stop();
  }
});

test(
  "every installed rival ends each task rightly; the others are absent with their package",
  async () => {
    const report = await runDurableRivals(tinyPlan, {
      mayInstall: false,
      only: ["dbos", "restate"],
      onProgress: () => undefined,
    });
    expect(report.rounds).toHaveLength(2 - report.absent.length);
    for (const round of report.rounds) {
      expect(round).toMatchObject({ tasks: 4, failureCount: 0, failures: [] });
    }
    for (const line of report.absent) expect(line).toMatch(/^(dbos|restate): absent: .+@\d/);
    expect(report.table).toContain("a frozen writer is fenced");
  },
  bootTimeoutMs,
);
