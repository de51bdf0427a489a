import { describe, expect, test } from "bun:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import {
  SubmitTaskRequestSchema,
  SubmitTaskResponseSchema,
  WatchTaskRequestSchema,
  WatchTaskResponseSchema,
} from "@warmpath/proto/gateway";
import {
  answerOf,
  assertWhole,
  kindsOf,
  methodUrl,
  newWatched,
  postJson,
  showcaseText,
  takeIn,
  type Watched,
  watchToEnd,
  webClient,
} from "./clients.ts";
import { sharedSystem } from "./shared-system.ts";
import { topology } from "./system.ts";

const timeoutMs = 90_000;

/** What the showcase must have done, whatever protocol it went through. */
function expectShowcase(watched: Watched): void {
  assertWhole(watched);
  const tools = watched.events.flatMap(({ kind }) =>
    kind.case === "toolFinished" ? [`${kind.value.name}:${kind.value.outcome}`] : [],
  );
  expect(tools).toEqual(["calculator:1", "knowledge_search:1"]);
  expect(kindsOf(watched).at(-1)).toBe("completed");
  expect(answerOf(watched)).toContain("8369910");
  expect(answerOf(watched).toLowerCase()).toContain("epoch");
}

describe(`a two-tool task on ${topology}`, () => {
  test(
    "through native gRPC with @grpc/grpc-js",
    async () => {
      const system = await sharedSystem();
      const client = new Client(system.gatewayGrpc, credentials.createInsecure());
      const metadata = new Metadata();
      metadata.set("authorization", `Bearer ${system.key}`);
      const service = "/warmpath.gateway.v1.AgentService";
      const { taskId } = await new Promise<{ taskId: string }>((resolve, reject) => {
        client.makeUnaryRequest(
          `${service}/SubmitTask`,
          (message) => Buffer.from(toBinary(SubmitTaskRequestSchema, message)),
          (bytes) => fromBinary(SubmitTaskResponseSchema, bytes),
          create(SubmitTaskRequestSchema, { agent: "assistant", message: { text: showcaseText } }),
          metadata,
          (error, response) => (response === undefined ? reject(error) : resolve(response)),
        );
      });
      const watched = newWatched();
      const stream = client.makeServerStreamRequest(
        `${service}/WatchTask`,
        (message) => Buffer.from(toBinary(WatchTaskRequestSchema, message)),
        (bytes) => fromBinary(WatchTaskResponseSchema, bytes),
        create(WatchTaskRequestSchema, { taskId }),
        metadata,
      );
      for await (const response of stream) {
        takeIn(watched, response);
      }
      client.close();
      expectShowcase(watched);
    },
    timeoutMs,
  );

  for (const protocol of ["connect", "grpc-web"] as const) {
    test(
      `through ${protocol} with @connectrpc/connect-web`,
      async () => {
        const system = await sharedSystem();
        const client = webClient(system, protocol);
        const { taskId } = await client.submitTask({
          agent: "assistant",
          message: { text: showcaseText },
        });
        expectShowcase(await watchToEnd(client, taskId));
      },
      timeoutMs,
    );
  }

  test(
    "through plain JSON, polled",
    async () => {
      const system = await sharedSystem();
      const submitted = await postJson(
        methodUrl(system, "SubmitTask"),
        { agent: "assistant", message: { text: showcaseText } },
        system.key,
      );
      expect(submitted.status).toBe(200);
      // Documented shapes of the JSON API.
      const { taskId } = (await submitted.json()) as { taskId: string };
      expect(taskId).toMatch(/^task_[0-9a-f]{32}$/);
      let task: { state?: string; answer?: string } = {};
      for (let tries = 0; tries < 600 && !task.state?.match(/COMPLETED|FAILED/); tries += 1) {
        await Bun.sleep(100);
        const got = await postJson(methodUrl(system, "GetTask"), { taskId }, system.key);
        task = ((await got.json()) as { task: typeof task }).task;
      }
      expect(task.state).toBe("TASK_STATE_COMPLETED");
      expect(task.answer).toContain("8369910");
    },
    timeoutMs,
  );

  test(
    "through `buf curl`, over Connect and with reflection over gRPC",
    async () => {
      const system = await sharedSystem();
      const request = JSON.stringify({ agent: "assistant", message: { text: showcaseText } });
      const overConnect = await bufCurl(
        [
          "--schema",
          "proto/baseline.binpb",
          "-H",
          `Authorization: Bearer ${system.key}`,
          "-d",
          request,
        ],
        `${system.gatewayUrl}/warmpath.gateway.v1.AgentService/SubmitTask`,
      );
      const { taskId } = JSON.parse(overConnect) as { taskId: string };
      const client = webClient(system);
      expectShowcase(await watchToEnd(client, taskId));
      const overGrpc = await bufCurl(
        [
          "--protocol",
          "grpc",
          "--http2-prior-knowledge",
          "-H",
          `Authorization: Bearer ${system.key}`,
          "-d",
          JSON.stringify({ taskId }),
        ],
        `http://${system.gatewayGrpc}/warmpath.gateway.v1.AgentService/GetTask`,
      );
      expect(JSON.parse(overGrpc).task.state).toBe("TASK_STATE_COMPLETED");
    },
    timeoutMs,
  );

  test(
    "through /chat as server-sent events, the conversation kept",
    async () => {
      const system = await sharedSystem();
      const threadId = `e2e-${crypto.randomUUID()}`;
      const first = await chat(system.gatewayUrl, system.key, {
        message: showcaseText,
        thread_id: threadId,
      });
      const names = first.map(({ name }) => name);
      expect(names.filter((name) => name === "tool_call")).toHaveLength(2);
      expect(names.filter((name) => name === "tool_result")).toHaveLength(2);
      expect(names).toContain("text");
      expect(names).toContain("usage");
      expect(names.at(-1)).toBe("done");
      const second = await chat(system.gatewayUrl, system.key, {
        message: "Hello again.",
        thread_id: threadId,
      });
      expect(second.at(-1)?.name).toBe("done");
      const tasks = await webClient(system).listTasks({ threadId });
      expect(tasks.tasks).toHaveLength(2);
    },
    timeoutMs,
  );

  test(
    "/query answers from the knowledge base and names its sources",
    async () => {
      const system = await sharedSystem();
      const response = await postJson(
        `${system.gatewayUrl}/query`,
        { question: "How are leases fenced?" },
        system.key,
      );
      expect(response.status).toBe(200);
      const body = (await response.json()) as { answer: string; sources: { source: string }[] };
      expect(body.answer.length).toBeGreaterThan(0);
      expect(body.sources.length).toBeGreaterThan(0);
      expect(body.sources.some(({ source }) => source.endsWith(".md"))).toBe(true);
    },
    timeoutMs,
  );
});

test(
  "a supervisor delegates to two other agents as child tasks and sums up",
  async () => {
    const system = await sharedSystem();
    const client = webClient(system);
    const { taskId } = await client.submitTask({
      agent: "supervisor",
      message: { text: showcaseText },
    });
    const watched = await watchToEnd(client, taskId);
    assertWhole(watched);
    expect(kindsOf(watched).at(-1)).toBe("completed");
    const children = watched.events.flatMap(({ kind }) =>
      kind.case === "toolStarted" && kind.value.childTaskId !== "" ? [kind.value.childTaskId] : [],
    );
    expect(children.length).toBe(2);
    for (const childId of children) {
      const { task } = await client.getTask({ taskId: childId });
      expect(task?.parentTaskId).toBe(taskId);
      expect(task?.state).toBe(4);
    }
    expect(answerOf(watched)).toContain("8369910");
  },
  timeoutMs,
);

interface SseEvent {
  readonly name: string;
  readonly data: unknown;
}

async function chat(url: string, key: string, body: unknown): Promise<SseEvent[]> {
  const response = await postJson(`${url}/chat`, body, key);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toContain("text/event-stream");
  const text = await response.text();
  return text
    .split("\n\n")
    .filter((block) => block.includes("event:"))
    .map((block) => ({
      name: block.match(/^event: ?(.*)$/m)?.[1] ?? "",
      data: JSON.parse(block.match(/^data: ?(.*)$/m)?.[1] ?? "null"),
    }));
}

async function bufCurl(args: readonly string[], url: string): Promise<string> {
  const root = new URL("..", import.meta.url).pathname;
  const child = Bun.spawn(["node_modules/.bin/buf", "curl", ...args, url], {
    cwd: root,
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) {
    throw new Error(`buf curl exited with ${code}: ${err}${out}`);
  }
  return out;
}
