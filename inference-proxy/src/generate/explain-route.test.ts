import { expect, test } from "bun:test";
import { testPrincipal } from "@warmpath/runtime/testing";
import { startFakeEngine, startTestProxy } from "../testing/index.ts";

/** Engines that answer `headers` with each answer, behind a proxy with these limits. */
async function setUp(limits: readonly string[], headers: Record<string, string> = {}) {
  const engines = [startFakeEngine(), startFakeEngine()];
  for (const engine of engines) {
    engine.answer = () =>
      Response.json({ choices: [{ index: 0, finish_reason: "stop" }] }, { headers });
  }
  const proxy = await startTestProxy(engines, { limits: [...limits] });
  const ask = async () => {
    const body = { model: "tiny", messages: [{ role: "user", content: "hi" }] };
    await (await proxy.post("/v1/chat/completions", body)).text();
    return engines.filter(({ seen }) => seen.length > 0).map(({ name }) => name);
  };
  const explain = async () =>
    await proxy.inference.explainRoute({ model: "tiny" }, { principal: testPrincipal() });
  const close = async () => {
    await proxy.close();
    await Promise.all(engines.map((engine) => engine.stop()));
  };
  return { ask, explain, close };
}

test("a replica whose limits are used up is out, and it is told for how long", async () => {
  const { ask, explain, close } = await setUp(["replica=* requests/min=1"]);
  const [used = ""] = await ask();
  const route = await explain();
  expect(route.replica).not.toBe(used);
  expect(route.replica).not.toBe("");
  const candidate = route.candidates.find(({ replica }) => replica === used);
  expect(candidate?.excludedReason).toMatch(/^its limits are used up for another \d+\.\d s$/);
  // Asking takes nothing: the other one is still free.
  expect((await explain()).replica).toBe(route.replica);
  expect((await ask()).length).toBe(2);
  const none = await explain();
  expect([none.replica, none.reason]).toEqual([
    "",
    'No upstream can take a request for the model "tiny" now.',
  ]);
  await close();
});

test("limits that an upstream has told of are named, too", async () => {
  const { ask, explain, close } = await setUp([], {
    "x-ratelimit-limit-requests": "100",
    "x-ratelimit-remaining-requests": "0",
    "x-ratelimit-reset-requests": "30s",
  });
  const [used] = await ask();
  const { candidates } = await explain();
  expect(candidates.find(({ replica }) => replica === used)?.excludedReason).toContain(
    "its limits are used up",
  );
  await close();
});
