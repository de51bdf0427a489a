import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { FakeTask } from "./testing/index.ts";
import { startTestGateway } from "./testing/start-test-gateway.ts";
import { answered, ended, readEvent } from "./testing/world-events.ts";

let door: Awaited<ReturnType<typeof startTestGateway>>;

beforeAll(async () => {
  door = await startTestGateway({
    WARMPATH_GATEWAY_QUERY_TIMEOUT_MS: "300",
    WARMPATH_GATEWAY_HEARTBEAT_MS: "100",
    WARMPATH_GATEWAY_BODY_BYTES_MAX: "2097152",
  });
});

afterAll(() => door.close());

/** A worker's part in two steps: a search, then the answer. */
function work(task: FakeTask): void {
  const call = { step: 1, callId: "call_1", name: "knowledge_search" };
  const matches = [
    { source: "docs/a.md", title: "Leases", text: "…", score: 0.9 },
    { source: "docs/a.md", title: "Leases", text: "…", score: 0.8 },
    { source: "docs/b.md", title: "Fencing", text: "…", score: 0.7 },
  ];
  const { record } = door.state;
  record(task, answered(2, 1, 1, ""));
  const argumentsJson = '{"query":"leases"}';
  record(task, readEvent(3, { case: "toolStarted", value: { ...call, argumentsJson } }));
  const content = JSON.stringify({ matches });
  record(task, readEvent(4, { case: "toolFinished", value: { ...call, outcome: 1, content } }));
  record(task, answered(5, 2, 2, "By epochs."));
  record(task, ended(6, "completed", "By epochs."));
}

interface Sse {
  readonly event: string;
  readonly id: string | undefined;
  readonly body: Record<string, unknown>;
}

function parseSse(text: string): Sse[] {
  return text
    .split("\n\n")
    .filter((block) => block.startsWith("event: "))
    .map((block) => {
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(block)?.[1];
      const body = JSON.parse(field("data") ?? "null");
      return { event: field("event") ?? "", id: field("id"), body };
    });
}

describe("POST /chat", () => {
  test("answers a whole run as server-sent events, each naming its task", async () => {
    door.state.onCreate = (task) => setTimeout(() => work(task), 10);
    const response = await door.post("/chat", { message: "hi", thread_id: "t1" });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toStartWith("text/event-stream");
    const taskId = response.headers.get("warmpath-task-id");
    const events = parseSse(await response.text());
    expect(events.map(({ event }) => event)).toEqual([
      "usage",
      "tool_call",
      "tool_result",
      "text",
      "usage",
      "done",
    ]);
    expect(events.every(({ body }) => body["task_id"] === taskId)).toBe(true);
    expect(events[3]?.body).toMatchObject({ step: 2, text: "By epochs." });
    expect(events[4]?.body).toMatchObject({ replica: "replica-1", simulated: true });
    expect(events[5]?.body).toMatchObject({ state: "completed", answer: "By epochs." });
    const task = door.state.tasks.get(taskId ?? "");
    expect(task?.request).toMatchObject({ agent: "assistant", threadId: "t1", text: "hi" });
  });

  test("resumes by Last-Event-ID with neither gap nor duplicate", async () => {
    door.state.onCreate = (task) => setTimeout(() => work(task), 10);
    const response = await door.post("/chat", { message: "hi", thread_id: "t1" });
    const taskId = response.headers.get("warmpath-task-id");
    const all = parseSse(await response.text());
    for (const [index, { id }] of all.entries()) {
      const resumed = await fetch(`${door.url}/chat/${taskId}`, {
        headers: { authorization: "Bearer key-acme", "last-event-id": id ?? "" },
      });
      expect(parseSse(await resumed.text())).toEqual(all.slice(index + 1));
    }
    const tampered = await fetch(`${door.url}/chat/${taskId}`, {
      headers: { authorization: "Bearer key-acme", "last-event-id": "nonsense" },
    });
    expect(tampered.status).toBe(400);
    expect(await tampered.text()).toContain("cursor");
  });

  test("tells a failure as error and done, and a cancel likewise", async () => {
    for (const how of ["failed", "cancelled"] as const) {
      door.state.onCreate = (task) => door.state.record(task, ended(2, how));
      const response = await door.post("/chat", { message: "hi", thread_id: "t1" });
      const events = parseSse(await response.text());
      expect(events.map(({ event }) => event)).toEqual(["error", "done"]);
      expect(events[1]?.body).toMatchObject({ state: how });
      expect(events[0]?.body["reason"]).toBeString();
    }
  });

  test("a client that leaves frees its watcher, and the task goes on", async () => {
    door.state.onCreate = () => undefined;
    const gone = new AbortController();
    const response = await fetch(`${door.url}/chat`, {
      method: "POST",
      headers: { authorization: "Bearer key-acme" },
      body: JSON.stringify({ message: "hi", thread_id: "t1" }),
      signal: gone.signal,
    });
    const reader = response.body?.getReader();
    await reader?.read();
    expect(await door.metrics.text()).toContain(
      'warmpath_gateway_sse_streams{service="gateway"} 1',
    );
    gone.abort();
    for (let turn = 0; turn < 200; turn += 1) {
      const text = await door.metrics.text();
      if (
        text.includes('warmpath_gateway_sse_streams{service="gateway"} 0') &&
        text.includes('warmpath_gateway_watchers{service="gateway"} 0')
      ) {
        return;
      }
      await Bun.sleep(5);
    }
    throw new Error("the stream was not freed within a second");
  });
});

describe("POST /query", () => {
  test("answers with the sources that were searched", async () => {
    door.state.onCreate = (task) => setTimeout(() => work(task), 10);
    const response = await door.post("/query", { question: "How are leases fenced?" });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      answer: "By epochs.",
      sources: [
        { source: "docs/a.md", title: "Leases" },
        { source: "docs/b.md", title: "Fencing" },
      ],
      usage: expect.objectContaining({ input_tokens: 0 }),
      task_id: expect.stringMatching(/^task_/),
    });
  });

  test("stops waiting in time, with 504 and the task's id", async () => {
    door.state.onCreate = () => undefined;
    const response = await door.post("/query", { question: "Anyone?" });
    expect(response.status).toBe(504);
    const body = await response.json();
    expect(body).toMatchObject({ error: { reason: "failed-timeout" } });
    expect(body.task_id).toMatch(/^task_/);
  });

  test("a run that failed is an error with its reason", async () => {
    door.state.onCreate = (task) => door.state.record(task, ended(2, "failed"));
    const response = await door.post("/query", { question: "Anyone?" });
    expect(response.status).toBe(400);
    expect((await response.json()).error.reason).toBe("failed-step-limit");
  });
});

describe("JSON routes", () => {
  const chat = { message: "hi", thread_id: "t1" };
  test.each<[string, unknown, number, string]>([
    ["no JSON", "{", 400, "not JSON"],
    ["a list", [], 400, "not a list"],
    ["a missing field", { message: "hi" }, 400, '"thread_id" is missing'],
    ["an empty thread", { ...chat, thread_id: "" }, 400, '"thread_id" must be'],
    ["a wrong type", { ...chat, message: 7 }, 400, "not a number"],
    ["an unknown field", { ...chat, tread_id: "x" }, 400, '"tread_id" is not a field'],
    ["a bad agent name", { ...chat, agent: "Who?" }, 400, '"agent" must be'],
    ["an unknown agent", { ...chat, agent: "nobody" }, 404, "assistant, researcher"],
    ["a message over 1 MiB", { ...chat, message: "x".repeat(1_100_000) }, 400, '"message" must be'],
    ["a body of 10 MB", { ...chat, message: "x".repeat(10_000_000) }, 413, "larger than"],
  ])("refuse %s with a clear sentence", async (_name, body, status, sentence) => {
    const response = await door.post("/chat", body);
    expect(response.status).toBe(status);
    expect(response.headers.get("content-type")).toStartWith("application/json");
    expect((await response.json()).error.message).toContain(sentence);
  });

  test("a body of 10 MB without a length is cut off too", async () => {
    const chunk = new TextEncoder().encode("x".repeat(100_000));
    let left = 100;
    const body = new ReadableStream({
      pull(controller) {
        left -= 1;
        return left > 0 ? controller.enqueue(chunk) : controller.close();
      },
    });
    const headers = { authorization: "Bearer key-acme" };
    const response = await fetch(`${door.url}/chat`, { method: "POST", headers, body });
    expect(response.status).toBe(413);
  });

  test("one sentence for a missing, a malformed and an unknown key, and how to send one", async () => {
    const bodies = new Set<string>();
    for (const authorization of [
      "",
      "Basic eDp5",
      "Bearer",
      "Bearer wrong",
      `Bearer ${"x".repeat(2000)}`,
    ]) {
      const response = await door.post("/chat", chat, { authorization });
      expect(response.status).toBe(401);
      expect(response.headers.get("www-authenticate")).toBe('Bearer realm="warmpath"');
      bodies.add(await response.text());
    }
    expect(bodies.size).toBe(1);
  });

  test("503, not 401, when nobody can check the key", async () => {
    door.state.isDown = true;
    const response = await door.post("/chat", chat, { authorization: "Bearer never-seen" });
    door.state.isDown = false;
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("2");
  });

  test("say which method a path takes, and what there is at an unknown one", async () => {
    const wrong = await fetch(`${door.url}/chat`);
    expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "POST"]);
    const unknown = await fetch(`${door.url}/nothing`);
    expect(unknown.status).toBe(404);
    expect((await unknown.json()).error.message).toContain("/query");
  });
});

describe("operations", () => {
  test("answers /health, /ready and /metrics", async () => {
    expect((await fetch(`${door.url}/health`)).status).toBe(200);
    expect((await fetch(`${door.url}/ready`)).status).toBe(200);
    expect(await (await fetch(`${door.url}/metrics`)).text()).toContain("warmpath_gateway_");
  });

  test("a preflight is answered for every route, and responses are readable by pages", async () => {
    for (const path of ["/chat", "/warmpath.gateway.v1.AgentService/SubmitTask"]) {
      const response = await fetch(door.url + path, {
        method: "OPTIONS",
        headers: { origin: "https://app.example", "access-control-request-method": "POST" },
      });
      expect(response.status).toBe(204);
      expect(response.headers.get("access-control-allow-origin")).toBe("*");
      expect(response.headers.get("access-control-allow-headers")).toMatch(
        /X-Grpc-Web.*Authorization/,
      );
    }
    const response = await door.post("/chat", {}, { origin: "https://app.example" });
    expect(response.headers.get("access-control-expose-headers")).toContain("Grpc-Status");
  });
});
