import { afterEach, describe, expect, test } from "bun:test";
import {
  chunk,
  done,
  type FakeEngine,
  helloStream,
  readRecording,
  readTestdata,
  startFakeEngine,
  startTestProxy,
  streamOf,
  type TestProxy,
  usageChunk,
} from "../testing/index.ts";

/*
 * Goal: an engine's failure before the first event is nobody's business but ours; after it, it is
 * an explicit error. Method: engines that fail in each of the ways in which real ones do.
 */

const opened: (FakeEngine | TestProxy)[] = [];

afterEach(async () => {
  for (const each of opened.splice(0).reverse()) {
    await ("stop" in each ? each.stop() : each.close());
  }
});

async function setUp(
  answers: readonly FakeEngine["answer"][],
  config: Parameters<typeof startTestProxy>[1] = {},
) {
  const engines = answers.map((answer) => {
    const engine = startFakeEngine();
    engine.answer = answer;
    opened.push(engine);
    return engine;
  });
  const proxy = await startTestProxy(engines, config);
  opened.push(proxy);
  return { engines, proxy };
}

const ask = { model: "tiny", messages: [{ role: "user", content: "hi" }], stream: true };
const hello = () => streamOf(helloStream);
const busyInStream = () => streamOf([readTestdata("err-admission-inside-200-stream.txt")]);

function answerOf(name: string): () => Response {
  const { body, status, contentType } = readRecording(name);
  return () => new Response(body, { status, headers: { "content-type": contentType } });
}

/** Runs requests until the failing engine was met at least once, and returns all answers. */
async function askUntilMet(proxy: TestProxy, failing: FakeEngine): Promise<string[]> {
  const texts: string[] = [];
  for (let round = 0; round < 40 && failing.seen.length === 0; round += 1) {
    // Another conversation each time: one that continues would stay with the replica that knows it.
    const messages = [{ role: "user", content: `hi ${round}` }];
    const response = await proxy.post("/v1/chat/completions", { ...ask, messages });
    texts.push(await response.text());
  }
  expect(failing.seen.length).toBeGreaterThan(0);
  return texts;
}

describe("before the first event", () => {
  const shutDown = { error: { message: "cannot schedule new futures after shutdown", code: 500 } };
  const cases: Record<string, () => Response | Promise<Response>> = {
    "overload as first event of a 200 stream": busyInStream,
    "a 503": answerOf("err-503-admission-stream"),
    "a 500 of an engine that shuts down": () => Response.json(shutDown, { status: 500 }),
    "a 500": () => Response.json({ error: { message: "boom", code: 500 } }, { status: 500 }),
    "a stream that ends at once": () => streamOf([]),
    "a stream that is given up at once": () => streamOf([chunk({}, "abort"), done]),
    "a stream of nothing but its usage": () => streamOf([usageChunk(12, 0), done]),
    "a stream of nothing but the end mark": () => streamOf([done]),
    "a connection that breaks after the head": () => streamOf([": hi\n\n"], { breaksAtEnd: true }),
    silence: () => streamOf([], { hangsAtEnd: true }),
  };
  for (const [title, fail] of Object.entries(cases)) {
    test(`${title} is retried on another replica, unseen by the client`, async () => {
      const { engines, proxy } = await setUp([fail, hello], { firstEventTimeoutMs: 150 });
      const failing = engines[0];
      if (failing === undefined) {
        throw new Error("two engines were started");
      }
      for (const text of await askUntilMet(proxy, failing)) {
        expect(text).toBe(helloStream.filter((event) => !event.includes('"usage"')).join(""));
      }
    });
  }

  test("a replica whose port is closed is left out at once, and back within a second", async () => {
    const { engines, proxy } = await setUp([hello, hello], { probeIntervalMs: 50 });
    const [gone, stays] = engines;
    await gone?.stop();
    for (let round = 0; round < 10; round += 1) {
      const response = await proxy.post("/v1/chat/completions", ask);
      expect(response.headers.get("x-warmpath-replica")).toBe(stays?.name ?? "");
      await response.text();
    }
    const back = startFakeEngine({ port: Number(gone?.name.split(":")[1]) });
    back.answer = hello;
    opened.push(back);
    await Bun.sleep(500);
    await askUntilMet(proxy, back);
  });

  test("with every replica busy the client gets 503, a reason, and when to retry", async () => {
    const { proxy } = await setUp([busyInStream, answerOf("err-503-admission-stream")]);
    const response = await proxy.post("/v1/chat/completions", ask);
    expect(response.status).toBe(503);
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    const { error } = (await response.json()) as { error: { code: string; message: string } };
    expect(error.code).toBe("overloaded");
    expect(error.message).toContain("currently busy");
  });

  test("a whole answer that the engine gave up is asked for elsewhere", async () => {
    const answer = (content: string, reason: string) => () =>
      Response.json({ choices: [{ index: 0, message: { content }, finish_reason: reason }] });
    const { engines, proxy } = await setUp([answer("hel", "abort"), answer("hello", "stop")]);
    for (let round = 0; round < 40 && engines[0]?.seen.length === 0; round += 1) {
      const messages = [{ role: "user", content: `hi ${round}` }];
      const response = await proxy.post("/v1/chat/completions", { model: "tiny", messages });
      expect(await response.text()).toContain('"hello"');
    }
    expect(engines[0]?.seen.length).toBe(1);
  });

  test("a request under which two replicas die is not given a third", async () => {
    const die = () => streamOf([], { breaksAtEnd: true });
    const { engines, proxy } = await setUp([die, die, die]);
    const response = await proxy.post("/v1/chat/completions", ask);
    expect(response.status).toBe(502);
    expect(engines.map(({ seen }) => seen.length).reduce((a, b) => a + b)).toBe(2);
  });

  test("a kept connection that the engine has closed costs the client nothing", async () => {
    let count = 0;
    const dieOnce = () => {
      count += 1;
      return count === 1 ? streamOf([], { breaksAtEnd: true }) : hello();
    };
    const { proxy } = await setUp([dieOnce]);
    const response = await proxy.post("/v1/chat/completions", ask);
    expect(response.status).toBe(200);
    expect(response.headers.get("x-warmpath-attempts")).toBe("2");
    await response.text();
  });
});

describe("after the first event", () => {
  const first = chunk({ content: "hel" });
  const cutStreams: Record<string, () => Response> = {
    "ends without a finish reason": () => streamOf([first]),
    "ends with [DONE] but without a finish reason": () => streamOf([first, done]),
    breaks: () => streamOf([first], { breaksAtEnd: true, pauseMs: 5 }),
    "falls silent": () => streamOf([first], { hangsAtEnd: true }),
    "is given up by the engine": () => streamOf([first, chunk({ content: "lo" }, "abort"), done]),
    "stops inside an event": () => streamOf([first, 'data: {"choices":[{"delta":{"con']),
  };
  for (const [title, cut] of Object.entries(cutStreams)) {
    test(`a stream that ${title} ends with an explicit error and no end mark`, async () => {
      const { proxy, engines } = await setUp([cut, hello], { idleTimeoutMs: 150 });
      const texts = await askUntilMet(proxy, engines[0] as FakeEngine);
      const events = (texts.at(-1) ?? "").split("\n\n").filter((event) => event !== "");
      expect(events[0]).toBe(first.trimEnd());
      expect(events.length).toBe(2);
      const { error } = JSON.parse(events[1]?.slice("data: ".length) ?? "");
      expect(error.code).toBe("failed-upstream-cut");
      expect(engines[0]?.seen.length).toBe(1);
    });
  }

  test("a connection that breaks behind the end mark is no failure", async () => {
    const whole = [...helloStream];
    const { proxy } = await setUp([() => streamOf(whole, { breaksAtEnd: true })]);
    const text = await (await proxy.post("/v1/chat/completions", ask)).text();
    expect(text).toBe(whole.filter((event) => !event.includes('"usage"')).join(""));
    expect(await proxy.metrics.text()).not.toContain('outcome="cut"');
  });

  test("the engine's own error event is handed on as it is, once", async () => {
    const failure =
      'data: {"error":{"message":"engine died","type":"x","param":null,"code":500}}\n\n';
    const { proxy } = await setUp([() => streamOf([first, failure, done])]);
    const text = await (await proxy.post("/v1/chat/completions", ask)).text();
    expect(text).toBe(`${first}${failure}${done}`);
    expect(await proxy.metrics.text()).toContain('outcome="cut"');
  });
});

describe("the client's own errors", () => {
  test("are answered in OpenAI's shape, with the status its clients know", async () => {
    const { proxy, engines } = await setUp([answerOf("err-too-long-prompt")], {
      bodyBytesMax: 2000,
    });
    const post = (body: unknown, headers = {}) =>
      proxy.post("/v1/chat/completions", body, { headers });
    const big = { model: "tiny", messages: [], x: "x".repeat(3000) };
    const cases: readonly [Promise<Response>, number, string | null][] = [
      [post("{"), 400, "rejected-invalid"],
      [post("[]"), 400, "rejected-invalid"],
      [post("null"), 400, "rejected-invalid"],
      [post(new Uint8Array([0x7b, 0xff]).toString()), 400, "rejected-invalid"],
      [post({ model: 7, messages: [] }), 400, "rejected-invalid"],
      [post({ model: "tiny", stream: "yes" }), 400, "rejected-invalid"],
      [post({ model: "nope", messages: [] }), 404, "model_not_found"],
      [post(big), 413, "rejected-too-large"],
      [post(ask, { authorization: "Bearer wrong" }), 401, "invalid_api_key"],
      [post(ask, { authorization: "" }), 401, "invalid_api_key"],
      [post(ask, { "x-warmpath-lane": "vip" }), 400, "rejected-invalid"],
      [post({ ...ask, cache_salt: "" }), 400, "rejected-invalid"],
      [proxy.post("/v1/files", ask), 404, "unknown_url"],
      [proxy.post("/tokenize", ask), 404, "unknown_url"],
      [proxy.post("/v1/chat/completions/../../reset_prefix_cache", ask), 404, "unknown_url"],
      [fetch(`${proxy.url}/v1/chat/completions`), 405, "method_not_supported"],
    ];
    for (const [response, status, code] of cases) {
      const { error } = (await (await response).json()) as { error: Record<string, unknown> };
      expect([(await response).status, error["code"]]).toEqual([status, code]);
      expect(Object.keys(error).sort()).toEqual(["code", "message", "param", "type"]);
      expect((await response).headers.get("x-request-id")).toMatch(/^req_/);
    }
    expect(engines[0]?.seen.length).toBe(0);
  });

  test("found by the engine keep its status and words, and are not retried", async () => {
    const { proxy, engines } = await setUp([
      answerOf("err-too-long-prompt"),
      answerOf("err-too-long-prompt-stream"),
    ]);
    const response = await proxy.post("/v1/chat/completions", ask);
    expect(response.status).toBe(400);
    const { error } = (await response.json()) as { error: { message: string; type: string } };
    expect(error.message).toContain("input tokens");
    expect(error.type).toBe("BadRequestError");
    expect(engines.map(({ seen }) => seen.length).reduce((a, b) => a + b)).toBe(1);
  });

  test("our own wrong key at an upstream is our fault, and shows no key", async () => {
    const refuse = () => Response.json({ error: "Unauthorized" }, { status: 401 });
    const { proxy } = await setUp([refuse], { upstreamApiKey: "sk-very-secret" });
    const response = await proxy.post("/v1/chat/completions", ask);
    expect(response.status).toBe(502);
    expect(await response.text()).not.toContain("sk-very-secret");
  });
});
