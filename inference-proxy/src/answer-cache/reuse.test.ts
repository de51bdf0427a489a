import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { testPrincipal } from "@warmpath/runtime/testing";
import {
  chunk,
  done,
  type FakeEngine,
  helloStream,
  otherTenantKey,
  readRecording,
  startFakeEngine,
  startTestProxy,
  streamOf,
  type TestProxy,
  usageChunk,
} from "../testing/index.ts";

/*
 * Goal: equal requests cost once, and nobody gets what is not theirs. Method: a whole proxy before
 * an engine that the test holds and counts.
 */

let engine: FakeEngine;
let proxy: TestProxy;
let asked = 0;

beforeAll(async () => {
  engine = startFakeEngine();
  proxy = await startTestProxy([engine]);
  proxy.keys.set(otherTenantKey, 0);
});

afterAll(async () => {
  await proxy.close();
  await engine.stop();
});

beforeEach(() => {
  asked += 1;
});

const path = "/v1/chat/completions";

/** A body that no other test has sent. */
function bodyOf(more: object = {}): object {
  return {
    model: "tiny",
    messages: [{ role: "user", content: `question ${asked}` }],
    temperature: 0,
    ...more,
  };
}

const cached = (mode: string, more: Record<string, string> = {}): RequestInit => ({
  headers: { "x-warmpath-cache": mode, ...more },
});

function calls(): number {
  return engine.seen.length;
}

/** An engine that answers when it is told to. */
function heldAnswer() {
  const { promise, resolve } = Promise.withResolvers<Response>();
  const arrived = Promise.withResolvers<void>();
  engine.answer = () => {
    arrived.resolve();
    return promise;
  };
  return { answer: resolve, arrived: arrived.promise };
}

describe("stored answers", () => {
  test("a whole answer comes again as it is, at no cost", async () => {
    const { body, contentType } = readRecording("chat");
    engine.answer = () => new Response(body, { headers: { "content-type": contentType } });
    const before = calls();
    const first = await proxy.post(path, bodyOf(), cached("exact"));
    expect(first.headers.get("x-warmpath-cache")).toBe("miss");
    expect(await first.text()).toBe(new TextDecoder().decode(body));
    const second = await proxy.post(path, bodyOf({ user: "bob" }), cached("exact"));
    expect(second.headers.get("x-warmpath-cache")).toBe("hit");
    expect(second.headers.get("age")).toBe("0");
    expect(second.headers.get("x-warmpath-attempts")).toBe("0");
    expect(await second.text()).toBe(new TextDecoder().decode(body));
    expect(calls() - before).toBe(1);
  });

  test("a stream comes again event by event, with its usage only for those who ask", async () => {
    engine.answer = () => streamOf(helloStream);
    const wantsUsage = { stream: true, stream_options: { include_usage: true } };
    const first = await proxy.post(path, bodyOf({ stream: true }), cached("exact"));
    const withoutUsage = helloStream.filter((event) => !event.includes('"usage"')).join("");
    expect(await first.text()).toBe(withoutUsage);
    const before = calls();
    const again = await proxy.post(path, bodyOf({ stream: true }), cached("exact"));
    expect(again.headers.get("content-type")).toStartWith("text/event-stream");
    expect(await again.text()).toBe(withoutUsage);
    const withUsage = await proxy.post(path, bodyOf(wantsUsage), cached("exact"));
    expect(await withUsage.text()).toBe(helloStream.join(""));
    expect(calls()).toBe(before);
  });

  test("each form serves the other", async () => {
    engine.answer = () => streamOf(helloStream);
    await (await proxy.post(path, bodyOf({ stream: true }), cached("exact"))).text();
    const whole = await (await proxy.post(path, bodyOf(), cached("exact"))).json();
    expect(whole).toMatchObject({
      object: "chat.completion",
      choices: [{ message: { role: "assistant", content: "hello" }, finish_reason: "stop" }],
      usage: { completion_tokens: 2 },
    });
    asked += 1;
    const { body, contentType } = readRecording("chat");
    engine.answer = () => new Response(body, { headers: { "content-type": contentType } });
    await (await proxy.post(path, bodyOf(), cached("exact"))).text();
    const stream = await proxy.post(path, bodyOf({ stream: true }), cached("exact"));
    const text = await stream.text();
    expect(stream.headers.get("x-warmpath-cache")).toBe("hit");
    expect(text).toContain("SpecialForm Ptinyir");
    expect(text).not.toContain('"usage"');
    expect(text).toEndWith(done);
  });

  test("one tenant never gets what another asked for", async () => {
    engine.answer = () => streamOf(helloStream);
    await (await proxy.post(path, bodyOf({ stream: true }), cached("exact"))).text();
    const other = await proxy.post(
      path,
      bodyOf({ stream: true }),
      cached("exact", { authorization: `Bearer ${otherTenantKey}` }),
    );
    expect(other.headers.get("x-warmpath-cache")).toBe("miss");
    await other.text();
  });

  test("nothing is stored unless it is asked for, and what may differ only by name", async () => {
    engine.answer = () => streamOf(helloStream);
    const stream = { stream: true };
    const before = calls();
    for (const init of [undefined, undefined, cached("off"), cached("exact")]) {
      await (await proxy.post(path, bodyOf(stream), init)).text();
    }
    expect(calls() - before).toBe(4);
    const sampled = bodyOf({ ...stream, temperature: 1 });
    await (await proxy.post(path, sampled, cached("exact"))).text();
    const again = await proxy.post(path, sampled, cached("exact"));
    expect(again.headers.get("x-warmpath-cache")).toBe("hit");
    await again.text();
  });

  test("an answer that depends on what the upstream remembers is not stored", async () => {
    engine.answer = () => streamOf(helloStream);
    for (const member of ["previous_response_id", "container"]) {
      asked += 1;
      const before = calls();
      for (let round = 0; round < 2; round += 1) {
        const body = bodyOf({ stream: true, [member]: "id" });
        await (await proxy.post(path, body, cached("exact"))).text();
      }
      expect(calls() - before).toBe(2);
    }
  });

  test("an answer that did not end properly is not stored", async () => {
    const endings = [
      [chunk({ content: "x" }), chunk({}, "content_filter"), done],
      [chunk({ content: "x" }), 'data: {"error":{"message":"boom"}}\n\n'],
      [chunk({ content: "x" })],
    ];
    for (const events of endings) {
      asked += 1;
      const before = calls();
      engine.answer = () => streamOf(events);
      await (await proxy.post(path, bodyOf({ stream: true }), cached("exact"))).text();
      engine.answer = () => streamOf(helloStream);
      const again = await proxy.post(path, bodyOf({ stream: true }), cached("exact"));
      expect(await again.text()).toContain("hel");
      expect(calls() - before).toBe(2);
    }
  });

  test("a header that says none of the modes is refused", async () => {
    const response = await proxy.post(path, bodyOf(), cached("maybe"));
    expect(response.status).toBe(400);
    expect(await response.text()).toContain("x-warmpath-cache");
  });

  test("embeddings come again", async () => {
    const answer = { object: "list", data: [{ index: 0, embedding: [1, 2] }] };
    engine.answer = () => Response.json(answer);
    const body = { model: "tiny", input: `text ${asked}` };
    const before = calls();
    for (let round = 0; round < 2; round += 1) {
      const response = await proxy.post("/v1/embeddings", body, cached("exact"));
      expect(await response.json()).toEqual(answer);
    }
    expect(calls() - before).toBe(1);
  });
});

describe("calls under way", () => {
  test("equal repeatable requests share one, each with the whole stream in its form", async () => {
    const before = calls();
    const held = heldAnswer();
    const wantsUsage = { stream: true, stream_options: { include_usage: true } };
    const leader = proxy.post(path, bodyOf({ stream: true }));
    await held.arrived;
    const followers = [bodyOf({ stream: true }), bodyOf(wantsUsage)].map((body) =>
      proxy.post(path, body),
    );
    await untilFollowing(2);
    held.answer(streamOf(helloStream, { pauseMs: 5 }));
    const [first, ...others] = await Promise.all([leader, ...followers]);
    expect(first?.headers.get("x-warmpath-cache")).toBeNull();
    expect(others.map(({ headers }) => headers.get("x-warmpath-cache"))).toEqual([
      "shared",
      "shared",
    ]);
    const [plain, alsoPlain, withUsage] = await Promise.all(
      [first, ...others].map((response) => response?.text()),
    );
    expect(withUsage).toBe(helloStream.join(""));
    expect(plain).toBe(helloStream.filter((event) => !event.includes('"usage"')).join(""));
    expect(alsoPlain).toBe(plain as string);
    expect(calls() - before).toBe(1);
  });

  test("samples that are to differ do not share", async () => {
    const before = calls();
    engine.answer = () => streamOf(helloStream, { pauseMs: 5 });
    const body = bodyOf({ stream: true, temperature: 1 });
    const responses = await Promise.all([proxy.post(path, body), proxy.post(path, body)]);
    await Promise.all(responses.map((response) => response.text()));
    expect(calls() - before).toBe(2);
  });

  test("a leader that leaves does not take its followers along", async () => {
    const before = calls();
    const leftBefore = engine.left;
    const leaving = new AbortController();
    const { body, next } = steppedStream();
    engine.answer = () => body;
    const leader = await proxy.post(path, bodyOf({ stream: true }), { signal: leaving.signal });
    const follower = await proxy.post(path, bodyOf({ stream: true }));
    leaving.abort();
    await leader.text().catch(() => undefined);
    next(helloStream.slice(1));
    expect(await follower.text()).toContain("lo");
    expect([calls() - before, engine.left - leftBefore]).toEqual([1, 0]);
  });

  test("a call that nobody listens to any more is given up", async () => {
    const leftBefore = engine.left;
    const leaving = new AbortController();
    engine.answer = () => streamOf([chunk({ content: "x" })], { hangsAtEnd: true });
    const responses = await Promise.all(
      [1, 2].map(() => proxy.post(path, bodyOf({ stream: true }), { signal: leaving.signal })),
    );
    leaving.abort();
    await Promise.all(responses.map((response) => response.text().catch(() => undefined)));
    while (engine.left === leftBefore) {
      await Bun.sleep(5);
    }
    const { replicas } = await proxy.inference.listReplicas({}, { principal: testPrincipal() });
    expect(replicas[0]?.inFlight).toBe(0);
  });

  test("when a leader is refused one of its followers asks, and the others follow it", async () => {
    const before = calls();
    const gate = Promise.withResolvers<void>();
    let isFirst = true;
    engine.answer = async () => {
      if (!isFirst) {
        return streamOf(helloStream, { pauseMs: 5 });
      }
      isFirst = false;
      await gate.promise;
      return Response.json({ detail: "no" }, { status: 401 });
    };
    const leader = proxy.post(path, bodyOf({ stream: true }));
    while (calls() === before) {
      await Bun.sleep(1);
    }
    const followers = [1, 2].map(() => proxy.post(path, bodyOf({ stream: true })));
    await untilFollowing(2);
    gate.resolve();
    expect((await leader).status).toBe(502);
    for (const response of await Promise.all(followers)) {
      expect(await response.text()).toContain("hel");
    }
    expect(calls() - before).toBe(2);
  });

  test("a fault of the request is everybody's", async () => {
    const before = calls();
    const faultsBefore = await faultsCounted();
    const held = heldAnswer();
    const leader = proxy.post(path, bodyOf({ stream: true }));
    await held.arrived;
    const follower = proxy.post(path, bodyOf({ stream: true }));
    await untilFollowing(1);
    held.answer(Response.json({ error: { message: "too long" } }, { status: 400 }));
    expect([(await leader).status, (await follower).status]).toEqual([400, 400]);
    expect(calls() - before).toBe(1);
    // Each is a request of its own: counted, and charged as one.
    expect(await faultsCounted()).toBe(faultsBefore + 2);
  });

  test("a stream that breaks ends for all with an explicit error", async () => {
    const { body, next } = steppedStream();
    engine.answer = () => body;
    const responses = await Promise.all(
      [1, 2].map(() => proxy.post(path, bodyOf({ stream: true }))),
    );
    next([]);
    for (const response of responses) {
      const text = await response.text();
      expect(text).toContain('"error"');
      expect(text).not.toContain("[DONE]");
    }
  });
});

/** Resolves when this many requests wait for another's call to begin. */
async function untilFollowing(count: number): Promise<void> {
  const line = new RegExp(`^warmpath_inference_proxy_followers(?:\\{.*\\})? ${count}$`, "m");
  while (!line.test(await proxy.metrics.text())) {
    await Bun.sleep(1);
  }
}

/** Calls that ended with a fault of the request, so far. */
async function faultsCounted(): Promise<number> {
  const lines = (await proxy.metrics.text()).split("\n");
  return lines
    .filter((line) => /^warmpath_inference_proxy_calls_total\{.*outcome="fault"/.test(line))
    .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

/** A stream whose first event comes at once, and the rest when `next` is called. */
function steppedStream() {
  const gate = Promise.withResolvers<readonly string[]>();
  const encoder = new TextEncoder();
  const stream = new ReadableStream<Uint8Array>({
    async start(controller) {
      controller.enqueue(encoder.encode(helloStream[0]));
      for (const event of await gate.promise) {
        controller.enqueue(encoder.encode(event));
      }
      controller.close();
    },
  });
  const body = new Response(stream, { headers: { "content-type": "text/event-stream" } });
  return { body, next: gate.resolve };
}

test("a hit is charged as a request and not for its tokens", async () => {
  const limited = await startTestProxy([engine], { tokensPerMinute: 600 });
  try {
    engine.answer = () => streamOf([...helloStream.slice(0, 3), usageChunk(590, 2), done]);
    const body = bodyOf({ stream: true, max_tokens: 8 });
    const statuses: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      const response = await limited.post(path, body, cached("exact"));
      statuses.push(response.status);
      await response.text();
    }
    expect(statuses).toEqual([200, 200, 200]);
    asked += 1;
    expect((await limited.post(path, bodyOf({ max_tokens: 500 }), cached("exact"))).status).toBe(
      429,
    );
  } finally {
    await limited.close();
  }
});
