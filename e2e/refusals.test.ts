import { beforeAll, describe, expect, test } from "bun:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { KeyService } from "@warmpath/proto/state";
import {
  createPrincipalSigner,
  createServiceClient,
  createServiceTransport,
  tracingOff,
} from "@warmpath/runtime";
import { systemClock } from "@warmpath/runtime/base";
import { methodUrl, postJson, watchToEnd, webClient } from "./clients.ts";
import { sharedSystem } from "./shared-system.ts";
import { type System, topology } from "./system.ts";

const timeoutMs = 60_000;
const protocols = ["connect", "grpc-web"] as const;
const missingTask = `task_${"0".repeat(32)}`;

let system: System;

beforeAll(async () => {
  system = await sharedSystem();
}, timeoutMs);

/** The code and message a call is refused with. */
async function refusal(
  call: Promise<unknown>,
): Promise<{ code: Code; message: string; metadata: Headers }> {
  try {
    await call;
  } catch (error) {
    const { code, rawMessage, metadata } = ConnectError.from(error);
    return { code, message: rawMessage, metadata };
  }
  throw new Error("the call was not refused");
}

/** A key of its own, made as an operator makes it. */
async function makeKey(
  tenant: string,
  limits: {
    requestsPerMinute?: number;
    concurrentTasks?: number;
    conversationMessages?: number;
  } = {},
): Promise<string> {
  const transport = createServiceTransport({ url: system.stateGrpcUrl });
  const signer = createPrincipalSigner([system.principalKey], systemClock);
  const keys = createServiceClient(KeyService, transport, {
    signer,
    tracing: tracingOff,
    timeoutMs: 10_000,
  });
  const principal = { tenant, user: "operator", keyId: "", agentChain: [] };
  const { secret } = await keys.createKey({ user: "tester", label: "e2e", limits }, { principal });
  transport.close();
  return secret;
}

describe(`refusals on ${topology}`, () => {
  for (const protocol of protocols) {
    test(`${protocol}: a wrong key is UNAUTHENTICATED`, async () => {
      const { code } = await refusal(webClient(system, protocol, "wrong").listAgents({}));
      expect(code).toBe(Code.Unauthenticated);
    });

    test(`${protocol}: an unknown agent is NOT_FOUND and the agents there are, are named`, async () => {
      const { code, message } = await refusal(
        webClient(system, protocol).submitTask({ agent: "nobody", message: { text: "hi" } }),
      );
      expect(code).toBe(Code.NotFound);
      expect(message).toContain("assistant");
    });

    test(
      `${protocol}: another tenant's task does not exist`,
      async () => {
        const client = webClient(system, protocol);
        const { taskId } = await client.submitTask({
          agent: "assistant",
          message: { text: "What is 1 + 1?" },
        });
        const stranger = webClient(system, protocol, await makeKey("stranger"));
        for (const call of [
          () => stranger.getTask({ taskId }),
          () => stranger.cancelTask({ taskId }),
          () => stranger.sendMessage({ taskId, message: { text: "hi" } }),
          () => watchOnce(stranger, taskId),
        ]) {
          expect((await refusal(call())).code).toBe(Code.NotFound);
        }
        expect((await stranger.listTasks({})).tasks).toEqual([]);
        await watchToEnd(client, taskId);
      },
      timeoutMs,
    );

    test(`${protocol}: a missing message names the field`, async () => {
      const { code, message } = await refusal(
        webClient(system, protocol).submitTask({ agent: "assistant" }),
      );
      expect(code).toBe(Code.InvalidArgument);
      expect(message).toContain("message");
    });

    test(`${protocol}: a 10 MB message is refused, not lost`, async () => {
      const text = "x".repeat(10_000_000);
      const { code } = await refusal(
        webClient(system, protocol).submitTask({ agent: "assistant", message: { text } }),
      );
      expect([Code.ResourceExhausted, Code.InvalidArgument]).toContain(code);
    });

    test(`${protocol}: over the requests of a minute is RESOURCE_EXHAUSTED and says when to retry`, async () => {
      const client = webClient(
        system,
        protocol,
        await makeKey("limited", { requestsPerMinute: 2 }),
      );
      await client.listAgents({});
      await client.listAgents({});
      const { code, metadata } = await refusal(client.listAgents({}));
      expect(code).toBe(Code.ResourceExhausted);
      expect(Number(metadata.get("retry-after"))).toBeGreaterThan(0);
    });
  }

  test("JSON: each refusal has its HTTP status and names what is wrong", async () => {
    const submit = methodUrl(system, "SubmitTask");
    const good = { agent: "assistant", message: { text: "hi" } };
    const cases: readonly [
      name: string,
      body: unknown,
      key: string | undefined,
      status: number,
      mentions: string,
    ][] = [
      ["no key", good, undefined, 401, "Authorization"],
      ["wrong key", good, "wrong", 401, "key"],
      ["unknown field", { ...good, nonsense: 1 }, system.key, 400, "nonsense"],
      ["wrong type", { ...good, agent: 7 }, system.key, 400, "agent"],
      ["malformed", '{"agent":', system.key, 400, ""],
      ["bad agent name", { ...good, agent: "No Such" }, system.key, 400, "agent"],
      ["unknown agent", { ...good, agent: "nobody" }, system.key, 404, "nobody"],
    ];
    for (const [name, body, key, status, mentions] of cases) {
      const response = await postJson(submit, body, key);
      const text = await response.text();
      expect(`${name}: ${response.status}`).toBe(`${name}: ${status}`);
      expect(text).toContain(mentions);
    }
    expect(
      (await postJson(methodUrl(system, "GetTask"), { taskId: missingTask }, system.key)).status,
    ).toBe(404);
    expect((await postJson(methodUrl(system, "GetTask"), { taskId: "x" }, system.key)).status).toBe(
      400,
    );
  });

  test("/chat and /query refuse in JSON before the stream begins", async () => {
    for (const [path, body, key, status] of [
      ["chat", { message: "hi", thread_id: "t" }, "wrong", 401],
      ["chat", { message: 1, thread_id: "t" }, system.key, 400],
      ["chat", { message: "hi", thread_id: "t", nonsense: 1 }, system.key, 400],
      ["chat", { message: "hi", thread_id: "t", agent: "nobody" }, system.key, 404],
      ["chat", "{", system.key, 400],
      ["query", {}, system.key, 400],
      ["chat", { message: "x".repeat(10_000_000), thread_id: "t" }, system.key, 413],
    ] as const) {
      const response = await postJson(`${system.gatewayUrl}/${path}`, body, key);
      expect(`${path} ${JSON.stringify(body).slice(0, 60)}: ${response.status}`).toBe(
        `${path} ${JSON.stringify(body).slice(0, 60)}: ${status}`,
      );
      expect(response.headers.get("content-type")).toContain("application/json");
    }
  });

  test(
    "over the concurrent tasks of a key is refused until one ends; so is a conversation at its length",
    async () => {
      const one = webClient(system, "connect", await makeKey("narrow", { concurrentTasks: 1 }));
      const { taskId } = await one.submitTask({
        agent: "assistant",
        message: { text: "Write 400 words about the sea." },
      });
      const second = await refusal(one.submitTask({ agent: "assistant", message: { text: "hi" } }));
      expect(second.code).toBe(Code.ResourceExhausted);
      await one.cancelTask({ taskId });
      await watchToEnd(one, taskId);
      const third = await one.submitTask({
        agent: "assistant",
        message: { text: "What is 1 + 2?" },
      });
      await watchToEnd(one, third.taskId);

      const short = webClient(
        system,
        "connect",
        await makeKey("short", { conversationMessages: 2 }),
      );
      const turn = { agent: "assistant", message: { text: "What is 1 + 2?" }, threadId: "short" };
      await watchToEnd(short, (await short.submitTask(turn)).taskId);
      expect((await refusal(short.submitTask(turn))).code).toBe(Code.ResourceExhausted);
    },
    timeoutMs,
  );

  test("the same idempotency key returns the same task, and another request under it ALREADY_EXISTS", async () => {
    const client = webClient(system);
    const request = {
      agent: "assistant",
      message: { text: "What is 3 + 4?" },
      idempotencyKey: crypto.randomUUID(),
    };
    const ids = await Promise.all(Array.from({ length: 8 }, () => client.submitTask(request)));
    expect(new Set(ids.map(({ taskId }) => taskId)).size).toBe(1);
    const { code } = await refusal(client.submitTask({ ...request, message: { text: "other" } }));
    expect(code).toBe(Code.AlreadyExists);
  });

  test(
    "a NUL character in a message and a tool's output is legal",
    async () => {
      const client = webClient(system);
      const { taskId } = await client.submitTask({
        agent: "assistant",
        message: { text: "Say hello to \u0000 and 1 + 1?" },
      });
      const watched = await watchToEnd(client, taskId);
      expect(watched.events.at(-1)?.kind.case).toBe("completed");
      expect((await client.getTask({ taskId })).task?.prompt).toContain("\u0000");
    },
    timeoutMs,
  );

  test("a tampered cursor and a tampered page token are INVALID_ARGUMENT", async () => {
    const client = webClient(system);
    expect((await refusal(client.listTasks({ pageToken: "tampered" }))).code).toBe(
      Code.InvalidArgument,
    );
    const stream = client.watchTask({ taskId: missingTask, cursor: "tampered" });
    expect([Code.InvalidArgument, Code.NotFound]).toContain(
      (await refusal(stream[Symbol.asyncIterator]().next())).code,
    );
  });
});

async function watchOnce(client: ReturnType<typeof webClient>, taskId: string): Promise<void> {
  for await (const _ of client.watchTask({ taskId })) {
    return;
  }
}
