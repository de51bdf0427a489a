import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Client, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { TaskState } from "@warmpath/proto/common";
import { AgentService } from "@warmpath/proto/gateway";
import { ErrorInfoSchema, RetryInfoSchema } from "@warmpath/proto/google-rpc";
import { createServiceTransport } from "@warmpath/runtime";
import { startTestGateway } from "./testing/start-test-gateway.ts";
import { answered, ended } from "./testing/world-events.ts";

let door: Awaited<ReturnType<typeof startTestGateway>>;
const closers: (() => void)[] = [];

beforeAll(async () => {
  door = await startTestGateway();
  const limits = { requestsPerMinute: 3, concurrentTasks: 1 };
  door.state.addKey("key-limited", { keyId: "key_3", tenant: "limited", limits });
  door.state.addKey("key-narrow", {
    keyId: "key_4",
    tenant: "narrow",
    limits: { concurrentTasks: 1 },
  });
});

afterAll(async () => {
  for (const close of closers) {
    close();
  }
  await door.close();
});

const protocols = ["connect", "connect-json", "grpc-web", "grpc"] as const;

function transportOf(protocol: (typeof protocols)[number]): Transport {
  switch (protocol) {
    case "connect":
      return createConnectTransport({ baseUrl: door.url, useBinaryFormat: true });
    case "connect-json":
      return createConnectTransport({ baseUrl: door.url });
    case "grpc-web":
      return createGrpcWebTransport({ baseUrl: door.url });
    case "grpc": {
      const url = `http://127.0.0.1:${door.gateway.grpcPort}`;
      const transport = createServiceTransport({ url });
      closers.push(() => transport.close());
      return transport;
    }
  }
}

async function failureOf(call: Promise<unknown>): Promise<ConnectError> {
  try {
    await call;
  } catch (thrown) {
    return ConnectError.from(thrown);
  }
  throw new Error("the call succeeded");
}

describe.each([...protocols])("AgentService over %s", (protocol) => {
  const headers = { authorization: "Bearer key-acme" };
  let client: Client<typeof AgentService>;
  beforeAll(() => {
    client = createClient(AgentService, transportOf(protocol));
  });

  test("accepts a task, shows, lists and watches it to its end", async () => {
    door.state.onCreate = (task) => {
      door.state.record(task, answered(2, 1, 1, "42"));
      door.state.record(task, ended(3, "completed"));
    };
    const request = { agent: "assistant", message: { text: "What is 6 * 7?" }, threadId: "t" };
    const { taskId } = await client.submitTask(request, { headers });
    expect(taskId).toMatch(/^task_[0-9a-f]{32}$/);
    const { task } = await client.getTask({ taskId }, { headers });
    expect(task).toMatchObject({ taskId, state: TaskState.COMPLETED, threadId: "t" });
    const { tasks } = await client.listTasks({}, { headers });
    expect(tasks.map((each) => each.taskId)).toContain(taskId);
    const kinds: string[] = [];
    for await (const { update } of client.watchTask({ taskId }, { headers })) {
      kinds.push(update.case === "event" ? (update.value.kind.case ?? "?") : (update.case ?? "?"));
    }
    expect(kinds).toEqual(["submitted", "delta", "modelAnswered", "completed"]);
    expect((await client.sendMessage({ taskId, message: { text: "?" } }, { headers })).taskId).toBe(
      taskId,
    );
    expect((await client.cancelTask({ taskId }, { headers })).state).toBe(TaskState.CANCELLED);
    const { agents } = await client.listAgents({}, { headers });
    expect(agents.map((agent) => agent.name)).toEqual(["assistant", "researcher"]);
  });

  test("the same idempotency key returns the same task", async () => {
    const idempotencyKey = `once over ${protocol}`;
    const request = { agent: "assistant", message: { text: "hi" }, idempotencyKey };
    const first = await client.submitTask(request, { headers });
    expect(await client.submitTask(request, { headers })).toEqual(first);
  });

  test("refuses with the right code, a sentence and a reason", async () => {
    const message = { text: "hi" };
    const wrongKey = { headers: { authorization: "Bearer wrong" } };
    const { taskId } = await client.submitTask({ agent: "assistant", message }, { headers });
    const stranger = { headers: { authorization: "Bearer key-other" } };
    const table: [() => Promise<unknown>, Code, string][] = [
      [() => client.listAgents({}), Code.Unauthenticated, "rejected-unauthenticated"],
      [() => client.listAgents({}, wrongKey), Code.Unauthenticated, "rejected-unauthenticated"],
      [() => client.getTask({ taskId }, stranger), Code.NotFound, "rejected-not-found"],
      [() => client.cancelTask({ taskId }, stranger), Code.NotFound, "rejected-not-found"],
      [
        () => client.submitTask({ agent: "nobody", message }, { headers }),
        Code.NotFound,
        "rejected-unknown-agent",
      ],
      [
        () => client.submitTask({ agent: "assistant" }, { headers }),
        Code.InvalidArgument,
        "rejected-invalid",
      ],
      [
        () => client.getTask({ taskId: "7" }, { headers }),
        Code.InvalidArgument,
        "rejected-invalid",
      ],
      [
        () =>
          client.submitTask(
            { agent: "assistant", message: { text: "x".repeat(10_000_000) } },
            { headers },
          ),
        Code.ResourceExhausted,
        "rejected-too-large",
      ],
    ];
    for (const [call, code, reason] of table) {
      const failure = await failureOf(call());
      const [info] = failure.findDetails(ErrorInfoSchema);
      expect([Code[failure.code], info?.reason ?? "rejected-too-large"]).toEqual([
        Code[code],
        reason,
      ]);
    }
    const unknown = await failureOf(client.submitTask({ agent: "nobody", message }, { headers }));
    expect(unknown.rawMessage).toContain("assistant, researcher");
  });
});

describe("limits of a key", () => {
  test("requests per minute: refused with when to retry, in RetryInfo and Retry-After", async () => {
    const client = createClient(AgentService, transportOf("connect"));
    const headers = { authorization: "Bearer key-limited" };
    for (let count = 0; count < 3; count += 1) {
      await client.listAgents({}, { headers });
    }
    const failure = await failureOf(client.listAgents({}, { headers }));
    expect(failure.code).toBe(Code.ResourceExhausted);
    const [retry] = failure.findDetails(RetryInfoSchema);
    expect(Number(retry?.retryDelay?.seconds)).toBeGreaterThan(50);
    const response = await door.post("/query", { question: "?" }, headers);
    expect(response.status).toBe(429);
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(50);
  });

  test("concurrent tasks: passed to the transaction that creates the task", async () => {
    door.state.onCreate = () => undefined;
    const client = createClient(AgentService, transportOf("connect"));
    const headers = { authorization: "Bearer key-narrow" };
    const request = { agent: "assistant", message: { text: "hi" } };
    await client.submitTask(request, { headers });
    const failure = await failureOf(client.submitTask(request, { headers }));
    expect(failure.code).toBe(Code.ResourceExhausted);
    expect(failure.findDetails(ErrorInfoSchema)[0]?.reason).toBe("rejected-concurrency-limit");
  });
});

describe("plain JSON", () => {
  const path = "/warmpath.gateway.v1.AgentService/";
  test("submits and gets as the README says", async () => {
    const body = { agent: "assistant", message: { text: "hi" }, lane: "LANE_INTERACTIVE" };
    const response = await door.post(`${path}SubmitTask`, body);
    const { taskId } = await response.json();
    expect(taskId).toMatch(/^task_/);
    const got = await (await door.post(`${path}GetTask`, { taskId })).json();
    expect(got.task).toMatchObject({ taskId, agent: "assistant" });
  });

  test.each<[string, unknown, number, string]>([
    ["an unknown field", { agent: "assistant", mesage: {} }, 400, "mesage"],
    ["a wrong type", { agent: 7, message: { text: "hi" } }, 400, "agent"],
    ["no JSON", "{", 400, ""],
    ["no key", {}, 401, "Bearer KEY"],
  ])("refuses %s", async (name, body, status, sentence) => {
    const headers = name === "no key" ? { authorization: "" } : {};
    const response = await door.post(`${path}SubmitTask`, body, headers);
    expect(response.status).toBe(status);
    expect((await response.json()).message).toContain(sentence);
  });
});

describe("closing", () => {
  test("ends open watches with UNAVAILABLE, so that clients resume elsewhere", async () => {
    const other = await startTestGateway();
    other.state.onCreate = () => undefined;
    const transport = createConnectTransport({ baseUrl: other.url });
    const client = createClient(AgentService, transport);
    const headers = { authorization: "Bearer key-acme" };
    const { taskId } = await client.submitTask(
      { agent: "assistant", message: { text: "hi" } },
      { headers },
    );
    const watching = failureOf(
      (async () => {
        for await (const _response of client.watchTask({ taskId }, { headers })) {
          void other.close();
        }
      })(),
    );
    expect((await watching).code).toBe(Code.Unavailable);
  });
});

describe("a task whose events do not fit one message", () => {
  test("is read in smaller pages", async () => {
    const large = "x".repeat(1_000_000);
    door.state.onCreate = (task) => {
      for (let step = 1; step <= 20; step += 1) {
        door.state.record(task, answered(step + 1, step, step, large));
      }
      door.state.record(task, ended(22, "completed"));
    };
    const client = createClient(AgentService, transportOf("connect"));
    const headers = { authorization: "Bearer key-acme" };
    const { taskId } = await client.submitTask(
      { agent: "assistant", message: { text: "hi" } },
      { headers },
    );
    let events = 0;
    for await (const { update } of client.watchTask({ taskId }, { headers })) {
      events += update.case === "event" ? 1 : 0;
    }
    expect(events).toBe(22);
  });
});

describe("a native gRPC watcher that leaves", () => {
  test("frees its stream", async () => {
    door.state.onCreate = () => undefined;
    const client = createClient(AgentService, transportOf("grpc"));
    const headers = { authorization: "Bearer key-acme" };
    const { taskId } = await client.submitTask(
      { agent: "assistant", message: { text: "hi" } },
      { headers },
    );
    const leaving = new AbortController();
    const { signal } = leaving;
    const failure = failureOf(
      (async () => {
        for await (const _response of client.watchTask({ taskId }, { headers, signal })) {
          leaving.abort();
        }
      })(),
    );
    expect((await failure).code).toBe(Code.Canceled);
    for (let turn = 0; turn < 200; turn += 1) {
      if ((await door.metrics.text()).includes('warmpath_gateway_watchers{service="gateway"} 0')) {
        return;
      }
      await Bun.sleep(5);
    }
    throw new Error("the stream was not freed within a second");
  });
});
