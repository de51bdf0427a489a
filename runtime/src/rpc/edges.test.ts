import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect, constants } from "node:http2";
import { Code, createClient } from "@connectrpc/connect";
import { AgentService } from "@warmpath/proto/gateway";
import { health as healthProto, reflection } from "@warmpath/proto/grpc";
import {
  createLogger,
  type Reason,
  silentLogger,
  systemClock,
  WarmpathError,
} from "../base/index.ts";
import { createHealth } from "../health.ts";
import { listenHttp1 } from "../http1/index.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { type RpcFixture, startRpcFixture, transportNames } from "../testing/rpc-fixture.ts";
import { httpError } from "./http-error.ts";
import { listenGrpc } from "./listen-grpc.ts";
import { listenHttp } from "./listen-http.ts";

const lines: Record<string, unknown>[] = [];
const log = createLogger({
  service: "test",
  level: "info",
  format: "json",
  write: (line) => lines.push(JSON.parse(line)),
});
const health = createHealth({ clock: systemClock });
const metrics = createMetrics("test");
let fixture: RpcFixture;

beforeAll(async () => {
  fixture = await startRpcFixture(
    (router) =>
      router.service(AgentService, {
        submitTask: () => ({ taskId: "task_1" }),
        listTasks: () => {
          throw new Error("disk on fire");
        },
        listAgents: () => {
          throw new WarmpathError("rejected-unavailable", "no database", { retryAfterMs: 1200 });
        },
        getTask: ({ taskId }) => {
          throw new WarmpathError(reasonAsked(taskId), "select secret from hidden_table");
        },
        async *watchTask() {
          yield {};
        },
      }),
    { signer: undefined, log, health, metrics },
  );
});
afterAll(() => fixture.close());

const base = "warmpath.gateway.v1.AgentService";

/** The reason that a test asks for, hidden in a task's id, whose form is checked. */
function reasonAsked(taskId: string): Reason {
  return refusedReasons[Number(taskId.at(-1))] ?? "failed-internal";
}

/** Reasons whose code says "try later" and that are thrown without saying when. */
const refusedReasons: readonly Reason[] = [
  "rejected-unavailable",
  "failed-unavailable",
  "failed-store",
  "rejected-queue-full",
  "rejected-over-limit",
  "failed-upstream-busy",
];
const taskIdOf = (index: number) => `task_${"0".repeat(31)}${index}`;

describe("an error that says to come later", () => {
  for (const name of transportNames) {
    test(`says when, though nobody knew, through ${name}`, async () => {
      const client = createClient(AgentService, fixture.transport(name));
      for (const [index, reason] of refusedReasons.entries()) {
        const error = WarmpathError.from(
          await client.getTask({ taskId: taskIdOf(index) }).catch((thrown) => thrown),
        );
        expect(error.reason).toBe(reason);
        expect(error.retryAfterMs).toBeGreaterThan(0);
      }
    });

    test(`tells the outside nothing of a fault of ours through ${name}`, async () => {
      const client = createClient(AgentService, fixture.transport(name));
      const error = await client.getTask({ taskId: taskIdOf(9) }).catch((thrown) => thrown);
      expect(WarmpathError.from(error)).toMatchObject({
        reason: "failed-internal",
        message: "internal error",
      });
    });
  }

  test("carries Retry-After over plain HTTP", () => {
    for (const reason of refusedReasons) {
      const { status, headers } = httpError(new WarmpathError(reason, "not now"));
      expect([429, 503]).toContain(status);
      expect(headers["retry-after"]).toBe("1");
    }
    const never = httpError(new WarmpathError("rejected-conversation-limit", "too long"));
    expect(never.status).toBe(403);
    expect(never.headers["retry-after"]).toBeUndefined();
    const fault = httpError(new WarmpathError("failed-internal", "select secret"));
    expect(fault.body.error.message).toBe("internal error");
  });
});

function post(body: string, method = "SubmitTask", contentType = "application/json") {
  const headers = { "content-type": contentType };
  return fetch(`${fixture.httpUrl}/${base}/${method}`, { method: "POST", headers, body });
}

describe("a request over plain JSON that is not right", () => {
  const long = JSON.stringify({ agent: "a", message: { text: "x".repeat(10_000_000) } });
  const cases: [title: string, body: string, status: number, code: string, sentence: string][] = [
    ["an unknown field", '{"agent":"a","foo":1}', 400, "invalid_argument", 'unknown field "foo"'],
    ["a wrong type", '{"agent":1}', 400, "invalid_argument", "agent: expected string, got 1"],
    ["an unknown choice", '{"lane":"X"}', 400, "invalid_argument", '"X" is not a value of Lane'],
    ["malformed JSON", "{", 400, "invalid_argument", "the request is not valid JSON: "],
    ["no body", "", 400, "invalid_argument", "the request is not valid JSON: "],
    ["a list", "[]", 400, "invalid_argument", "expected an object"],
    ["10 MB", long, 413, "resource_exhausted", "larger than the 4194304 bytes accepted"],
  ];
  for (const [title, body, status, code, sentence] of cases) {
    test(`${title} is answered ${status}, in a sentence and with a reason`, async () => {
      const response = await post(body);
      const error = (await response.json()) as { code: string; message: string; details: object[] };
      expect(response.status).toBe(status);
      expect(error.code).toBe(code);
      expect(error.message).toContain(sentence);
      expect(error.details[0]).toMatchObject({ type: "google.rpc.ErrorInfo" });
    });
  }

  test("every broken rule is named by the JSON path of its field", async () => {
    const response = await post('{"agent":"A!","message":{"text":""},"threadId":"ä"}');
    expect(response.status).toBe(400);
    const fields = ["agent", "message.text", "threadId"].map((field) => ({ field }));
    expect(await response.json()).toMatchObject({
      details: [{}, { type: "google.rpc.BadRequest", debug: { fieldViolations: fields } }],
    });
  });

  test("a wrong content type and an unknown method are explained too", async () => {
    const wrong = await post("{}", "SubmitTask", "text/plain");
    expect(wrong.status).toBe(415);
    expect(await wrong.text()).toContain("application/json");
    const unknown = await post("{}", "Nope");
    expect(unknown.status).toBe(404);
    expect(await unknown.json()).toMatchObject({ code: "unimplemented" });
  });

  test("503 carries when to retry", async () => {
    const response = await post("{}", "ListAgents");
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("2");
  });

  test("an unforeseen error is logged once with its cause and counted", async () => {
    lines.length = 0;
    const response = await post('{"pageSize":1}', "ListTasks");
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain("fire");
    expect(lines).toHaveLength(1);
    expect(JSON.stringify(lines[0])).toContain("disk on fire");
    const counted = /seconds_count\{.*method="[\w.]+\/ListTasks",code="internal"\} 1/;
    expect(await metrics.text()).toMatch(counted);
  });
});

test("a failed native gRPC call sends its status alone, which lets proxies retry it", async () => {
  const session = connect(fixture.grpcUrl);
  const stream = session.request({
    [constants.HTTP2_HEADER_METHOD]: "POST",
    [constants.HTTP2_HEADER_PATH]: `/${base}/ListAgents`,
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.end(Buffer.alloc(5));
  const head = await new Promise<Record<string, unknown>>((resolve) => {
    stream.on("response", (headers) => resolve(headers));
  });
  session.destroy();
  expect(head["grpc-status"]).toBe("14");
  expect(head["retry-after"]).toBe("2");
  expect(head["grpc-status-details-bin"]).toBeDefined();
});

test("a busy port is one sentence that names it, on every listener", async () => {
  const host = "127.0.0.1";
  const handle = () => new Response();
  const grpcPort = Number(new URL(fixture.grpcUrl).port);
  const httpPort = Number(new URL(fixture.httpUrl).port);
  const servers = fixture.server;
  const second = [
    {
      port: grpcPort,
      work: () => listenGrpc({ host, port: grpcPort, servers, log: silentLogger }),
    },
    {
      port: httpPort,
      work: () => listenHttp({ host, port: httpPort, handle, log: silentLogger }),
    },
    {
      port: httpPort,
      work: async () =>
        listenHttp1({ host, port: httpPort, handle: async () => handle(), log: silentLogger }),
    },
  ];
  for (const { port, work } of second) {
    const error = WarmpathError.from(await work().catch((thrown: unknown) => thrown));
    expect(error.reason).toBe("rejected-port-busy");
    expect(error.message).toStartWith(`port ${port} on 127.0.0.1 is in use`);
    expect(error.message).not.toContain("\n");
  }
});

describe("every server", () => {
  for (const name of transportNames) {
    test(`describes itself by reflection through ${name}`, async () => {
      const client = createClient(reflection.ServerReflection, fixture.transport(name));
      async function* questions() {
        yield { messageRequest: { case: "listServices" as const, value: "" } };
        yield { messageRequest: { case: "fileContainingSymbol" as const, value: base } };
        yield { messageRequest: { case: "fileByFilename" as const, value: "nowhere.proto" } };
      }
      const answers: reflection.ServerReflectionResponse["messageResponse"][] = [];
      for await (const { messageResponse } of client.serverReflectionInfo(questions())) {
        answers.push(messageResponse);
      }
      const [services, files, nowhere] = answers;
      const names =
        services?.case === "listServicesResponse" ? services.value.service : [{ name: "none" }];
      expect(names.map((each) => each.name)).toContain(base);
      expect(files?.case).toBe("fileDescriptorResponse");
      expect(nowhere).toMatchObject({ case: "errorResponse", value: { errorCode: 5 } });
    });
  }

  test("answers health checks, watches included", async () => {
    const client = createClient(healthProto.Health, fixture.transport("gRPC"));
    const Status = healthProto.HealthCheckResponse_ServingStatus;
    expect((await client.check({ service: base })).status).toBe(Status.SERVING);
    const unknown = await client.check({ service: "no.Such" }).catch((error: unknown) => error);
    expect(unknown).toMatchObject({ code: Code.NotFound });
    const seen: number[] = [];
    for await (const { status } of client.watch({ service: "" })) {
      seen.push(status);
      health.setDraining();
      if (seen.length === 2) {
        break;
      }
    }
    expect(seen).toEqual([Status.SERVING, Status.NOT_SERVING]);
  });
});
