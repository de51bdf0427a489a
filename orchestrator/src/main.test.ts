import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TaskState } from "@warmpath/proto/common";
import { createMetrics, createServiceTransport } from "@warmpath/runtime";
import { loadConfig, seededRandom, WarmpathError } from "@warmpath/runtime/base";
import { orchestratorOptions } from "./config.ts";
import { type Orchestrator, startOrchestrator } from "./main.ts";
import { ada, resultsSeen } from "./testing/index.ts";
import { openTestSystem, type TestSystem } from "./testing/system.ts";

setDefaultTimeout(20_000);

describe("startOrchestrator()", () => {
  let system: TestSystem;
  let orchestrator: Orchestrator;
  const directory = mkdtempSync(join(tmpdir(), "warmpath-orchestrator-"));

  function depsOf(env: Record<string, string>) {
    return {
      ...system,
      config: loadConfig(orchestratorOptions, { env }),
      http: { host: "127.0.0.1", port: 0 },
      grpc: { host: "127.0.0.1", port: 0 },
      inference: system.transports.inference,
      state: system.transports.state,
      storeReady: () => system.store.ready(),
      random: seededRandom(1),
    };
  }

  beforeAll(async () => {
    writeFileSync(join(directory, "leases.md"), "# Leases\n\nLeases are fenced by epochs.");
    system = await openTestSystem({
      script: (request) => {
        const results = resultsSeen(request);
        const found = results.get("k");
        if (found) return { text: `${results.get("c")} ${found}` };
        return {
          calls: [
            { callId: "c", name: "calculator", args: '{"expression":"12345 * 678"}' },
            { callId: "k", name: "knowledge_search", args: '{"query":"how leases are fenced"}' },
          ],
        };
      },
    });
    orchestrator = await startOrchestrator(depsOf({ WARMPATH_KNOWLEDGE: directory }));
  });
  afterAll(async () => {
    await orchestrator?.close(1_000);
    await system?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const get = (path: string) => fetch(`http://127.0.0.1:${orchestrator.httpPort}${path}`);
  const until = async (condition: () => Promise<boolean>) => {
    for (let tries = 0; tries < 250 && !(await condition()); tries++) await system.clock.sleep(20);
    expect(await condition()).toBeTrue();
  };

  test("registers the sample agents and becomes ready", async () => {
    await until(async () => (await get("/ready")).status === 200);
    const { checks } = await orchestrator.health.ready();
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
    expect((await get("/health")).status).toBe(200);
    const { agents } = await system.clients.registry.listAgents({}, { principal: ada });
    expect(agents.map(({ name }) => name)).toEqual([
      "assistant",
      "clerk",
      "researcher",
      "supervisor",
    ]);
    const supervisor = agents.find(({ name }) => name === "supervisor");
    expect(supervisor?.tools).toEqual(["delegate_to_researcher", "delegate_to_clerk"]);
  });

  test("runs the assistant with the calculator and the knowledge of the directory", async () => {
    const loaded = async () =>
      (await (await get("/metrics")).text()).includes(
        'knowledge_passages{service="orchestrator"} 1',
      );
    await until(loaded);
    const { taskId } = await system.clients.tasks.createTask(
      { agent: "assistant", text: "?" },
      { principal: ada },
    );
    const task = async () =>
      (await system.clients.tasks.getTask({ taskId }, { principal: ada })).task;
    await until(async () => (await task())?.state === TaskState.COMPLETED);
    const answer = (await task())?.answer ?? "";
    expect(answer).toContain("8369910");
    expect(answer).toContain("fenced by epochs");
    const metrics = await (await get("/metrics")).text();
    expect(metrics).toContain(
      'warmpath_orchestrator_runs_ended_total{outcome="completed",service="orchestrator"} 1',
    );
    expect(metrics).toContain(
      'warmpath_orchestrator_tool_calls_total{kind="builtin",outcome="done",service="orchestrator"} 2',
    );
  });

  test("is ready while its proxy is away, and says so", async () => {
    const unreachable = createServiceTransport({ url: "http://127.0.0.1:9" });
    const deps = depsOf({ WARMPATH_KNOWLEDGE: directory });
    const other = await startOrchestrator({
      ...deps,
      inference: unreachable,
      metrics: createMetrics("orchestrator"),
    });
    try {
      await until(async () => (await other.health.ready()).ready);
      const { checks } = await other.health.ready();
      expect(checks.map(({ name, optional = false }) => [name, optional])).toEqual([
        ["store", false],
        ["agents", false],
        ["bus", true],
        ["inference-proxy", true],
      ]);
      expect(checks.find(({ name }) => name === "inference-proxy")).toMatchObject({ ok: false });
    } finally {
      await other.close(1_000);
      unreachable.close();
    }
  });

  test("answers an unknown path with a JSON error", async () => {
    const response = await get("/nothing");
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ error: { reason: "rejected-not-found" } });
  });

  test("refuses to start with a faulty agent file, naming file and line", async () => {
    const agents = mkdtempSync(join(tmpdir(), "warmpath-agents-"));
    writeFileSync(join(agents, "x.yaml"), "name: x\ndescription: d\nsystem_prompt: s\ntool: []\n");
    const failure = startOrchestrator(depsOf({ WARMPATH_AGENTS: agents })).then(
      () => undefined,
      (error: unknown) => WarmpathError.from(error),
    );
    const error = await failure;
    rmSync(agents, { recursive: true });
    expect(error?.reason).toBe("rejected-agent-spec");
    expect(error?.message).toContain('x.yaml:4:1: unknown key "tool"');
  });
});
