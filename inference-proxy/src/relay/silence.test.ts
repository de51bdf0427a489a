import { afterEach, describe, expect, test } from "bun:test";
import {
  chunk,
  done,
  type FakeEngine,
  helloStream,
  startFakeEngine,
  startTestProxy,
  streamOf,
  type TestProxy,
} from "../testing/index.ts";

/*
 * Goal: nobody waits on a dead engine, however alive it looks. Method: engines that fall silent, or
 * talk nonsense, while their health page says 200; a grace that fits a test.
 */

const opened: (FakeEngine | TestProxy)[] = [];
const pending: (() => void)[] = [];

afterEach(async () => {
  for (const release of pending.splice(0)) {
    release();
  }
  for (const each of opened.splice(0).reverse()) {
    await ("stop" in each ? each.stop() : each.close());
  }
});

const hello = () => streamOf(helloStream);
const first = chunk({ content: "hel" });
const idleMetrics = "vllm:num_requests_running 0\nvllm:num_requests_waiting 0\n";

/** No head, no byte, until the test is over. */
function silence(): Promise<Response> {
  const { promise, resolve } = Promise.withResolvers<Response>();
  pending.push(() => resolve(new Response(null, { status: 500 })));
  return promise;
}

async function setUp(
  answers: readonly FakeEngine["answer"][],
  config: Parameters<typeof startTestProxy>[1] = {},
  metrics = "",
) {
  const engines = answers.map((answer) => {
    const engine = startFakeEngine({ metrics });
    engine.answer = answer;
    opened.push(engine);
    return engine;
  });
  const proxy = await startTestProxy(engines, { silenceGraceMs: 250, ...config });
  opened.push(proxy);
  let turn = 0;
  const ask = async (isStream = true) => {
    turn += 1;
    const messages = [{ role: "user", content: `hi ${turn}` }];
    const body = { model: "tiny", messages, stream: isStream };
    const response = await proxy.post("/v1/chat/completions", body);
    const text = await response.text();
    return { status: response.status, replica: response.headers.get("x-warmpath-replica"), text };
  };
  /** Asks until the engine was met, and returns the answer that met it. */
  const askUntilMet = async (engine: FakeEngine | undefined, isStream = true) => {
    const untilMs = performance.now() + 5000;
    while (performance.now() < untilMs) {
      const before = engine?.seen.length ?? 0;
      const answer = await ask(isStream);
      if ((engine?.seen.length ?? 0) > before) {
        return answer;
      }
      await Bun.sleep(5);
    }
    throw new Error("the engine was never chosen");
  };
  return { engines, proxy, ask, askUntilMet };
}

describe("a paused engine that looks idle", () => {
  const whole = () =>
    Response.json({ choices: [{ index: 0, message: { content: "hi" }, finish_reason: "stop" }] });

  for (const isStream of [true, false]) {
    test(`loses its ${isStream ? "streams" : "whole answers"} to others, and is out until a canary comes through`, async () => {
      const answer = isStream ? hello : whole;
      const { engines, ask, askUntilMet } = await setUp(
        [silence, answer],
        { breakerCooldownMs: 50, breakerCooldownMsMax: 100, canaryTimeoutMs: 100 },
        idleMetrics,
      );
      const [paused, stays] = engines;
      expect(await askUntilMet(paused, isStream)).toMatchObject({
        status: 200,
        replica: stays?.name ?? "",
      });
      const callers = paused?.seen.filter(({ path }) => path !== "/v1/completions").length;
      for (let round = 0; round < 20; round += 1) {
        expect((await ask(isStream)).replica).toBe(stays?.name ?? "");
      }
      const met = paused?.seen.filter(({ path }) => path !== "/v1/completions").length;
      expect(met).toBe(callers ?? 0);
      if (paused !== undefined) {
        paused.answer = answer;
      }
      expect((await askUntilMet(paused, isStream)).status).toBe(200);
    });
  }
});

test("a stream of bytes that never become an event is as good as silence", async () => {
  const drip = () => {
    let isOver = false;
    const body = new ReadableStream<Uint8Array>({
      async start(controller) {
        controller.enqueue(new TextEncoder().encode(first));
        while (!isOver) {
          await Bun.sleep(20);
          try {
            controller.enqueue(new TextEncoder().encode("x"));
          } catch {
            // The proxy has left.
            isOver = true;
          }
        }
      },
      cancel: () => {
        isOver = true;
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
  const { engines, askUntilMet } = await setUp([drip, hello]);
  const { text } = await askUntilMet(engines[0]);
  expect(text.startsWith(first)).toBe(true);
  expect(text).toContain("failed-upstream-cut");
});

test("a slow model is not a dead one: gaps that it always had are believed", async () => {
  const slowly = () =>
    streamOf([first, chunk({ content: "lo" }), chunk({}, "stop"), done], { pauseMs: 150 });
  const { proxy } = await setUp([slowly]);
  const ask = async () => {
    const response = await proxy.post("/v1/chat/completions", {
      model: "tiny",
      stream: true,
      messages: [],
    });
    return await response.text();
  };
  await Promise.all(Array.from({ length: 40 }, ask));
  const [engine] = opened as FakeEngine[];
  if (engine !== undefined) {
    // Longer than the grace alone, and no longer than the grace beyond the gaps seen.
    engine.answer = () =>
      streamOf([first, chunk({ content: "lo" }), chunk({}, "stop"), done], { pauseMs: 320 });
  }
  expect(await ask()).toContain("[DONE]");
});

describe("an answer that is no answer", () => {
  const garbage: Record<string, () => Response> = {
    "a page of HTML with status 200": () =>
      new Response("<html>it works</html>", { headers: { "content-type": "text/html" } }),
    "an empty body with status 200": () => new Response("", { status: 200 }),
    "events that are no JSON": () => streamOf(["data: hello\n\n", done]),
    "a list of JSON": () => Response.json([1, 2]),
  };
  for (const [title, answer] of Object.entries(garbage)) {
    test(`${title} is asked for elsewhere, and counts against the replica`, async () => {
      const { engines, proxy, askUntilMet } = await setUp([answer, hello]);
      const { status, text } = await askUntilMet(engines[0]);
      expect([status, text.includes("[DONE]")]).toEqual([200, true]);
      expect(/attempts_total\{[^}]*outcome="garbled"/.test(await proxy.metrics.text())).toBe(true);
    });
  }
});
