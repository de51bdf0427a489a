/**
 * Goal: the program that judges the proxy before real engines works. Method: simulated engines in
 * their place, which foretell and report as vLLM does.
 */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { defaultVenv, findVllm } from "../replica/truth/find-vllm.ts";
import { runLive } from "./live.ts";
import { tinyPlan } from "./plans.ts";

test("before simulated engines every turn is served and foretold", async () => {
  const { turns, predictions, bars } = await runLive(tinyPlan, {
    engines: { kind: "simulated" },
    signal: new AbortController().signal,
    say: () => undefined,
  });
  expect(turns.length).toBe(24);
  expect(turns.every(({ end }) => end === "done")).toBe(true);
  expect(predictions).toEqual({ equal: 24, over: 0, under: 0 });
  expect(bars.find(({ name }) => name.startsWith("cached tokens foretold"))?.ok).toBe(true);
}, 30_000);

// Where somebody installed one for this checkout, the command would start it.
test.skipIf(findVllm(undefined, defaultVenv) !== undefined)(
  "without a vLLM the command says how to install one, and ends with a status of its own",
  async () => {
    const command = [process.execPath, join(import.meta.dir, "main.ts"), "--json"];
    const child = Bun.spawn(command, { env: { PATH: "" }, stdout: "pipe", stderr: "pipe" });
    const [said, status] = await Promise.all([new Response(child.stdout).text(), child.exited]);
    expect(status).toBe(3);
    expect(JSON.parse(said)).toMatchObject({ name: "vLLM installed", ok: false });
  },
);
