import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ToolOutcome } from "@warmpath/proto/common";
import { ToolService } from "@warmpath/proto/tool";
import {
  connectErrorFromWarmpath,
  createMetrics,
  createRpcServer,
  type Listener,
  listenGrpc,
  tracingOff,
} from "@warmpath/runtime";
import {
  type Reason,
  seededRandom,
  silentLogger,
  systemClock,
  WarmpathError,
} from "@warmpath/runtime/base";
import { createCatalog } from "../agents/catalog.ts";
import { checkAgentFiles } from "../agents/load-agents.ts";
import { createBulkhead } from "./bulkhead.ts";
import { callTool, reconcile } from "./call-tool.ts";
import { createToolbox, type Toolbox } from "./toolbox.ts";

const parametersJson = '{"type":"object"}';
const calls: string[] = [];
let behave: (name: string, call: number) => { outcome: ToolOutcome; contentJson: string };

describe("a tool service", () => {
  let listener: Listener;
  let toolbox: Toolbox;
  let url: string;
  const deps = { clock: systemClock, bulkhead: createBulkhead(4), resultBytesMax: 1_000 };
  const principal = { tenant: "acme", user: "ada", keyId: "", agentChain: ["assistant"] };
  const request = (argumentsJson = "{}") => ({
    argumentsJson,
    idempotencyKey: "task_1.1.0",
    principal,
    taskId: "task_1",
    timeoutMs: 1_000,
  });
  const never = new AbortController().signal;

  beforeAll(async () => {
    const server = createRpcServer({
      service: "tools",
      signer: undefined,
      metrics: createMetrics("tools"),
      tracing: tracingOff,
      log: silentLogger,
      clock: systemClock,
      routes: (router) =>
        router.service(ToolService, {
          listTools: () => ({
            tools: [
              {
                definition: { name: "book", description: "Books.", parametersJson },
                reconcilable: true,
              },
              {
                definition: { name: "look", description: "Looks.", parametersJson },
                idempotent: true,
              },
            ],
          }),
          callTool(call) {
            calls.push(
              `${call.name} ${call.idempotencyKey} ${call.principal?.tenant} ${call.argumentsJson}`,
            );
            return behave(call.name, calls.length);
          },
          reconcileTool: ({ idempotencyKey }) => ({
            outcome: ToolOutcome.DONE,
            contentJson: `{"found":"${idempotencyKey}"}`,
          }),
        }),
    });
    listener = await listenGrpc({ host: "127.0.0.1", port: 0, servers: server, log: silentLogger });
    url = `http://127.0.0.1:${listener.port}`;
    toolbox = createToolbox({
      builtins: [],
      tracing: tracingOff,
      clock: systemClock,
      random: seededRandom(1),
      toolTriesMax: 3,
      callTimeoutMs: 1_000,
    });
  });
  afterAll(async () => {
    toolbox.close();
    await listener.close(100);
  });

  async function specs() {
    const text = `name: a\ndescription: d\nsystem_prompt: s\ntool_services:\n  - url: ${url}\n`;
    const files = checkAgentFiles([{ file: "a.yaml", text }], new Set());
    const catalog = createCatalog({
      files,
      builtins: new Map(),
      service: toolbox.service,
      toolListTimeoutMs: 1_000,
      log: silentLogger,
    });
    await catalog.resolve();
    return catalog.get("a")?.tools ?? [];
  }

  async function call(name: string) {
    const spec = (await specs()).find((each) => each.name === name);
    const tool = spec && toolbox.toolFor(spec);
    if (!spec || !tool) throw new Error("no tool");
    calls.length = 0;
    return await callTool(tool, spec.source, request(), never, deps);
  }

  const refuse = (reason: Reason) => () => {
    throw connectErrorFromWarmpath(new WarmpathError(reason, "sorry"));
  };

  test("is listed when an agent is resolved, with what each tool promises", async () => {
    expect((await specs()).map(({ name, source }) => ({ name, ...source }))).toEqual([
      { name: "book", kind: "remote", url, idempotent: false, reconcilable: true },
      { name: "look", kind: "remote", url, idempotent: true, reconcilable: false },
    ]);
  });

  test("gets key, principal and arguments, and its outcome is taken over", async () => {
    behave = () => ({ outcome: ToolOutcome.DONE, contentJson: '{"ok":true}' });
    expect(await call("book")).toEqual({ outcome: "done", content: '{"ok":true}' });
    expect(calls).toEqual(["book task_1.1.0 acme {}"]);
  });

  test.each([
    "rejected-invalid",
    "rejected-not-found",
    "rejected-unimplemented",
    "rejected-permission",
  ] as const)("%s promises that there was no effect", async (reason) => {
    behave = refuse(reason);
    expect((await call("book")).outcome).toBe("failed");
    expect(calls).toHaveLength(1);
  });

  test("any other status leaves a call unknown: it is not repeated but asked about", async () => {
    behave = refuse("failed-internal");
    expect(await call("book")).toEqual({ outcome: "done", content: '{"found":"task_1.1.0"}' });
    expect(calls).toHaveLength(1);
  });

  test("an idempotent call is repeated with the same key, a bounded number of times", async () => {
    behave = (_, count) =>
      count < 3 ? refuse("failed-unavailable")() : { outcome: ToolOutcome.DONE, contentJson: "1" };
    expect((await call("look")).outcome).toBe("done");
    expect(new Set(calls).size).toBe(1);
    behave = refuse("failed-unavailable");
    expect((await call("look")).outcome).toBe("unknown");
    expect(calls).toHaveLength(3);
  });

  test("reconciles with the key of the call", async () => {
    const spec = (await specs()).find((each) => each.name === "book");
    const tool = spec && toolbox.toolFor(spec);
    if (!spec || !tool) throw new Error("no tool");
    const result = await reconcile(tool, spec.source, request(), never, deps);
    expect(result).toEqual({ outcome: "done", content: '{"found":"task_1.1.0"}' });
  });

  test("an agent whose service cannot be reached is left out, and others are not", async () => {
    const text = (name: string, address: string) =>
      `name: ${name}\ndescription: d\nsystem_prompt: s\ntool_services:\n  - url: ${address}\n`;
    const files = checkAgentFiles(
      [
        { file: "a.yaml", text: text("away", "http://127.0.0.1:1") },
        { file: "b.yaml", text: text("here", url) },
      ],
      new Set(),
    );
    const catalog = createCatalog({
      files,
      builtins: new Map(),
      service: toolbox.service,
      toolListTimeoutMs: 500,
      log: silentLogger,
    });
    await catalog.resolve();
    expect(catalog.all().map(({ name }) => name)).toEqual(["here"]);
  });
});
