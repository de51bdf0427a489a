import { afterEach, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { systemClock } from "@warmpath/runtime/base";
import { createMemoryLimitStore } from "../pace/index.ts";
import {
  chunk,
  done,
  type FakeEngine,
  helloStream,
  otherTenantKey,
  startFakeEngine,
  startTestProxy,
  streamOf,
  type TestProxy,
  testKey,
} from "../testing/index.ts";

/* Goal: limits as callers meet them. Method: a whole proxy over sockets before engines that speak of
 * limits, or do not. */

const opened: (FakeEngine | TestProxy)[] = [];

afterEach(async () => {
  for (const each of opened.splice(0).reverse()) {
    await ("stop" in each ? each.stop() : each.close());
  }
});

async function setUp(
  config: Parameters<typeof startTestProxy>[1],
  answers: readonly FakeEngine["answer"][],
) {
  const engines = answers.map((answer) => Object.assign(startFakeEngine(), { answer }));
  opened.push(...engines);
  const proxy = await startTestProxy(engines, config);
  opened.push(proxy);
  const ask = (init?: RequestInit, over = {}) =>
    proxy.post("/v1/chat/completions", { ...asked, ...over }, init);
  return { engines, proxy, ask };
}

const asked = { model: "tiny", messages: [{ role: "user", content: "hi" }], max_tokens: 8 };
const usage = { prompt_tokens: 10, completion_tokens: 4, total_tokens: 14 };
const answerWith = (headers: Record<string, string> = {}) => {
  const choices = [{ index: 0, message: { content: "hi" }, finish_reason: "stop" }];
  return () => Response.json({ id: "x", choices, usage }, { headers });
};

describe("limits of the caller", () => {
  test("answers say what is left, and 429 names the limit and the time", async () => {
    const { proxy, ask } = await setUp(
      { limits: ["tenant=* requests/min=2", "model=tiny requests/hour=3"] },
      [answerWith()],
    );
    const first = await ask();
    expect(first.headers.get("x-ratelimit-remaining-requests")).toBe("1");
    expect(first.headers.get("x-ratelimit-limit-requests")).toBe("2");
    await ask();
    const refused = await ask();
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(20);
    expect(refused.headers.get("x-ratelimit-remaining-requests")).toBe("0");
    expect(await refused.json()).toEqual({
      error: {
        message: "Rate limit reached: requests per min of this tenant (limit 2).",
        type: "requests",
        param: null,
        code: "rate_limit_exceeded",
      },
    });
    // A limit that tenants share is named, and says nothing of what others use.
    proxy.keys.set(otherTenantKey, 0);
    const headers = { authorization: `Bearer ${otherTenantKey}` };
    expect((await ask({ headers })).status).toBe(200);
    const shared = await ask({ headers });
    expect(shared.status).toBe(429);
    const { error } = await shared.json();
    expect(error.message).toBe("Rate limit reached: requests per hour of this model.");
  });

  test("64 at once through 100 tokens: what goes through has reserved it, and usage settles it", async () => {
    const { engines, ask } = await setUp({ limits: ["key=* tokens/day=100"] }, [answerWith()]);
    const all = await Promise.all(Array.from({ length: 64 }, () => ask()));
    const served = all.filter(({ status }) => status === 200).length;
    expect(served).toBeGreaterThan(0);
    expect(served * 14).toBeLessThanOrEqual(100);
    expect(engines[0]?.seen.length).toBe(served);
    expect(all.filter(({ status }) => status === 429).length).toBe(64 - served);
  });

  test("64 at once at two proxies that share a limit of 200 tokens go over it by nothing", async () => {
    const store = createMemoryLimitStore({ clock: systemClock });
    const engine = Object.assign(startFakeEngine(), { answer: answerWith() });
    opened.push(engine);
    const config = { limits: ["tenant=* tokens/day=200"] };
    const proxies = await Promise.all(
      [1, 2].map(() => startTestProxy([engine], config, { limitStore: store })),
    );
    opened.push(...proxies);
    const all = await Promise.all(
      Array.from({ length: 64 }, (_, index) =>
        proxies[index % 2]?.post("/v1/chat/completions", asked),
      ),
    );
    const served = all.filter((each) => each?.status === 200).length;
    expect(served).toBeGreaterThan(2);
    expect(served * 14).toBeLessThanOrEqual(200);
    expect(engine.seen.length).toBe(served);
  });

  test("an answer without usage is paid by its size, and counting tokens costs none", async () => {
    const { ask, proxy } = await setUp({ limits: ["key=* tokens/day=1000"] }, [
      ({ path }) =>
        path.endsWith("count_tokens")
          ? Response.json({ input_tokens: 9 })
          : Response.json({ choices: [{ message: { content: "x".repeat(2000) } }] }),
    ]);
    await ask();
    const left = async (path: string) =>
      Number((await proxy.post(path, asked)).headers.get("x-ratelimit-remaining-tokens"));
    const counting = "/v1/messages/count_tokens";
    const before = await left(counting);
    // Some 500 tokens of answer, and the prompt.
    expect(before).toBeLessThan(500);
    expect(await left(counting)).toBe(before);
    expect(await left("/v1/chat/completions")).toBeLessThan(before);
  });

  test("a place is free again when its caller leaves", async () => {
    const { ask } = await setUp({ limits: ["user=* concurrency=1"] }, [
      () => streamOf([chunk({ content: "x" })], { hangsAtEnd: true }),
    ]);
    const leaving = new AbortController();
    await ask({ signal: leaving.signal }, { stream: true });
    expect((await ask()).status).toBe(429);
    leaving.abort();
    const next = new AbortController();
    let status = 429;
    for (let round = 0; status === 429 && round < 100; round += 1) {
      await Bun.sleep(10);
      ({ status } = await ask({ signal: next.signal }, { stream: true }));
    }
    expect(status).toBe(200);
    next.abort();
  });

  test.each([
    ["an answer", {}],
    ["a stream", { stream: true }],
  ])("a place is free again for a request that came before the end of %s left", async (_, over) => {
    const { proxy } = await setUp({ limits: ["user=* concurrency=1"] }, [
      ({ body }) => (body.includes('"stream":true') ? streamOf(helloStream) : answerWith()()),
    ]);
    const body = JSON.stringify({ ...asked, ...over });
    const request = [
      "POST /v1/chat/completions HTTP/1.1",
      "host: x",
      `authorization: Bearer ${testKey}`,
      `content-length: ${body.length}`,
      "",
      body,
    ].join("\r\n");
    const socket = connect(Number(new URL(proxy.url).port), "127.0.0.1");
    let said = "";
    const statuses = () => Array.from(said.matchAll(/HTTP\/1\.1 (\d+)/g), ([, status]) => status);
    const areAnswered = new Promise<void>((resolve) => {
      socket.on("data", (bytes) => {
        said += bytes.toString();
        if (statuses().length === 3) resolve();
      });
    });
    socket.write(request.repeat(3));
    await areAnswered;
    socket.destroy();
    expect(statuses()).toEqual(["200", "200", "200"]);
  });

  test("a budget that is used up says so, and when the next one begins", async () => {
    const { ask } = await setUp({ limits: ["key=* requests/calendar-month=1"] }, [answerWith()]);
    expect((await ask()).headers.get("x-ratelimit-remaining-requests")).toBe("0");
    const refused = await ask();
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get("retry-after"))).toBeWithin(0, 31 * 86_400 + 1);
    const { error } = await refused.json();
    expect(error.message).toBe(
      "Budget used up: requests of this month of this key (limit 1). The next month begins at 0:00 UTC.",
    );
  });

  test("who shares another's call is open as long as that is", async () => {
    const held = Promise.withResolvers<Response>();
    const { engines, proxy, ask } = await setUp({ limits: ["user=* concurrency=2"] }, [
      () => held.promise,
    ]);
    const same = { temperature: 0 };
    const first = ask({}, same);
    while (engines[0]?.seen.length !== 1) {
      await Bun.sleep(2);
    }
    const second = ask({}, same);
    while (!/followers\{[^}]*\} 1/.test(await proxy.metrics.text())) {
      await Bun.sleep(2);
    }
    let third = await ask({}, { temperature: 1, max_tokens: 1 });
    expect(third.status).toBe(429);
    expect((await ask({}, same)).status).toBe(429);
    held.resolve(answerWith()());
    const shared = await Promise.all([first, second]);
    expect(shared.map(({ headers }) => headers.get("x-warmpath-cache"))).toEqual([null, "shared"]);
    await Promise.all(shared.map((each) => each.text()));
    expect(engines[0]?.seen.length).toBe(1);
    engines[0].answer = answerWith();
    third = await ask();
    expect(third.status).toBe(200);
  });

  test("a stream takes more of its limits as it goes on, and settles by what it had", async () => {
    const held = Promise.withResolvers<void>();
    const events = Array.from({ length: 30 }, (_, index) => chunk({ content: `t${index}` }));
    const { ask } = await setUp(
      { limits: ["key=* tokens-out/day=38"], answerTokensExpected: 5, limitTopUpTokens: 10 },
      [
        () =>
          new Response(
            new ReadableStream({
              async start(controller) {
                for (const event of events) {
                  controller.enqueue(new TextEncoder().encode(event));
                }
                await held.promise;
                controller.enqueue(new TextEncoder().encode(chunk({}, "stop") + done));
                controller.close();
              },
            }),
            { headers: { "content-type": "text/event-stream" } },
          ),
      ],
    );
    const open = await ask({}, { stream: true, max_tokens: undefined });
    const reader = open.body?.getReader();
    let text = "";
    while (!text.includes("t29")) {
      text += new TextDecoder().decode((await reader?.read())?.value);
    }
    // 5 reserved and three slices of 10 are taken: another 5 are not there.
    expect((await ask()).status).toBe(429);
    held.resolve();
    while ((await reader?.read())?.done === false);
    const next = await ask({}, { stream: true });
    expect(next.status).toBe(200);
    await next.body?.cancel();
  });
});

describe("limits of upstreams", () => {
  test("429 with Retry-After closes the upstream; others take over, and nobody asks it again", async () => {
    const { engines, ask } = await setUp({}, [
      () => new Response("{}", { status: 429, headers: { "retry-after": "60" } }),
      answerWith(),
    ]);
    for (let count = 0; count < 10; count += 1) {
      expect((await ask()).status).toBe(200);
    }
    expect(engines[0]?.seen.length).toBeLessThanOrEqual(1);
  });

  test("when all are closed for longer than a request may wait, it is told so at once", async () => {
    const { engines, ask } = await setUp({ queueWaitMsMax: 500 }, [
      () => new Response("{}", { status: 429, headers: { "retry-after": "60" } }),
    ]);
    await ask();
    const refused = await ask();
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(50);
    expect(engines[0]?.seen.length).toBe(1);
  });

  test("an upstream that is out is no reason to wait for one that is closed", async () => {
    const { engines, ask } = await setUp({ queueWaitMsMax: 20_000 }, [
      () => new Response("{}", { status: 429, headers: { "retry-after": "60" } }),
      answerWith(),
    ]);
    await engines[1]?.stop();
    let refused = await ask();
    for (let round = 0; refused.status !== 429 && round < 50; round += 1) {
      await Bun.sleep(20);
      refused = await ask();
    }
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(50);
  });

  test("a closed upstream is used again when its time is over, by those who waited", async () => {
    let isClosed = true;
    const { engines, ask } = await setUp({}, [
      () => {
        if (isClosed) {
          isClosed = false;
          return new Response("{}", { status: 429, headers: { "retry-after-ms": "300" } });
        }
        return answerWith()();
      },
    ]);
    await ask();
    const waited = await ask();
    expect(waited.status).toBe(200);
    expect(engines[0]?.seen.length).toBe(2);
  });

  test("sends are spread over the time until the reset that an upstream names", async () => {
    const sentAtMs: number[] = [];
    let remaining = 8;
    const { ask } = await setUp({}, [
      () => {
        sentAtMs.push(performance.now());
        remaining -= 1;
        const first = sentAtMs[0] ?? 0;
        return answerWith({
          "x-ratelimit-limit-requests": "8",
          "x-ratelimit-remaining-requests": String(Math.max(0, remaining)),
          "x-ratelimit-reset-requests": `${Math.ceil(2000 - (performance.now() - first))}ms`,
        })();
      },
    ]);
    await ask();
    const all = await Promise.all(Array.from({ length: 7 }, () => ask()));
    expect(all.map(({ status }) => status)).toEqual(all.map(() => 200));
    const [first = 0] = sentAtMs;
    // The last of them may go ahead by the slack of the pace, and by that of the clock.
    expect((sentAtMs.at(-1) ?? 0) - first).toBeGreaterThan(800);
  });

  test("a tenant's own limit at replicas keeps no other tenant waiting", async () => {
    const { proxy, ask } = await setUp({ limits: ["tenant=acme replica=* requests/min=1"] }, [
      answerWith(),
    ]);
    proxy.keys.set(otherTenantKey, 0);
    const other = { headers: { authorization: `Bearer ${otherTenantKey}` } };
    expect((await ask()).status).toBe(200);
    const left = new AbortController();
    const kept = ask({ signal: left.signal }).catch(() => "left");
    while (!(await proxy.metrics.text()).includes('queue_requests{service="inference-proxy"} 1')) {
      await Bun.sleep(5);
    }
    for (let count = 0; count < 3; count += 1) {
      expect((await ask(other)).status).toBe(200);
    }
    left.abort();
    expect(await kept).toBe("left");
  });

  test("a replica's own limit in the configuration holds it, and requests go elsewhere", async () => {
    const hold = Promise.withResolvers<void>();
    const slow = () => hold.promise.then(() => streamOf(helloStream));
    const { engines, ask } = await setUp({ limits: ["replica=* concurrency=2"] }, [slow, slow]);
    const all = Array.from({ length: 6 }, () => ask({}, { stream: true }));
    while (engines.reduce((sum, { seen }) => sum + seen.length, 0) < 4) {
      await Bun.sleep(5);
    }
    await Bun.sleep(50);
    expect(engines.map(({ seen }) => seen.length)).toEqual([2, 2]);
    hold.resolve();
    for (const response of await Promise.all(all)) {
      expect(response.status).toBe(200);
      await response.text();
    }
  });
});
