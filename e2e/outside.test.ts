import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { createClient } from "@connectrpc/connect";
import { AgentService } from "@warmpath/proto/gateway";
import { InferenceService } from "@warmpath/proto/inference";
import { AgentRegistry, KeyService, TaskService } from "@warmpath/proto/state";
import { createPrincipalSigner, createServiceTransport, principalHeader } from "@warmpath/runtime";
import { systemClock, WarmpathError } from "@warmpath/runtime/base";
import { kindsOf, postJson, showcaseText, watchToEnd, webClient } from "./clients.ts";
import { type System, startSystem } from "./system.ts";

/*
 * Goal: what each port tells those who prove nothing, and what the logs tell those who read them.
 * Method: a system with secrets of known text, written to at the most talkative level; every port
 * asked without a key, with a wrong one, and with a principal that a stranger signed.
 */

const timeoutMs = 60_000;
const upstreamKey = "sk-upstream-hidden-0123456789";

let system: System;

beforeAll(async () => {
  system = await startSystem({
    env: { WARMPATH_LOG_LEVEL: "debug", WARMPATH_UPSTREAM_API_KEY: upstreamKey },
  });
}, timeoutMs);

afterAll(() => system.stop());

/** First HTTP port of each service. */
const offsets = { gateway: 0, proxy: 10, orchestrator: 20, state: 30 } as const;

describe("without a key or a signature", () => {
  for (const [name, offset] of Object.entries(offsets)) {
    test(`${name} answers health, readiness, metrics, and nothing else of ours`, async () => {
      const base = `http://127.0.0.1:${system.port + offset}`;
      for (const path of ["/health", "/ready", "/metrics"]) {
        expect((await fetch(base + path)).status).toBe(200);
      }
      const closed = [
        "/warmpath.gateway.v1.AgentService/ListTasks",
        "/warmpath.state.v1.TaskService/ListTasks",
        "/warmpath.state.v1.KeyService/ListKeys",
        "/warmpath.state.v1.AgentRegistry/ListAgents",
        "/warmpath.inference.v1.InferenceService/ListReplicas",
        "/v1/chat/completions",
        "/chat",
        "/query",
      ];
      for (const path of closed) {
        for (const key of [undefined, "wrong"]) {
          const { status } = await postJson(base + path, {}, key);
          expect(`${path} ${status}`).toMatch(/ (401|404)$/);
        }
      }
      for (const path of [
        "/v1/models",
        "/version",
        "/tokenize",
        "/server_info",
        "/.env",
        "/debug",
      ]) {
        expect([401, 404]).toContain((await fetch(base + path)).status);
      }
    });
  }

  test("the metrics name no tenant, no key and no text", async () => {
    for (const offset of Object.values(offsets)) {
      const text = await (await fetch(`http://127.0.0.1:${system.port + offset}/metrics`)).text();
      expect(text).not.toMatch(/tenant=|key_id=|key="|user=/);
      expect(text).not.toContain(system.key);
    }
  });

  test("state and the proxy believe no principal that a stranger signed", async () => {
    const stranger = createPrincipalSigner([randomBytes(32).toString("hex")], systemClock);
    const principal = { tenant: "dev", user: "developer", keyId: "", agentChain: [] };
    const headers = { [principalHeader]: stranger.sign(principal) };
    const state = createServiceTransport({ url: system.stateGrpcUrl });
    const proxy = createServiceTransport({ url: `http://127.0.0.1:${system.port + 11}` });
    try {
      // Begun one at a time: a refusal that comes before anybody waits for it would count as
      // unhandled.
      const calls = [
        () => createClient(TaskService, state).listTasks({}, { headers }),
        () => createClient(KeyService, state).listKeys({}, { headers }),
        () => createClient(AgentRegistry, state).listAgents({}, { headers }),
        () => createClient(InferenceService, proxy).listReplicas({}, { headers }),
      ];
      for (const call of calls) {
        const error = await call().catch((thrown) => thrown);
        expect(WarmpathError.from(error).code).toBe("unauthenticated");
      }
    } finally {
      state.close();
      proxy.close();
    }
  });
});

describe("a caller that brings a principal of its own to the gateway", () => {
  // Signed by the very key that the services share, and still not the gateway's to take in.
  const forged = () => {
    const signer = createPrincipalSigner([system.principalKey], systemClock);
    const principal = { tenant: "other", user: "root", keyId: "", agentChain: [] };
    return { [principalHeader]: signer.sign(principal) };
  };

  test("is nobody by it, and with a key it is who the key says", async () => {
    const url = `${system.gatewayUrl}/warmpath.gateway.v1.AgentService/ListTasks`;
    const headers = { "content-type": "application/json", ...forged() };
    const refused = await fetch(url, { method: "POST", headers, body: "{}" });
    expect(refused.status).toBe(401);
    const client = webClient(system);
    const { taskId } = await client.submitTask(
      { agent: "assistant", message: { text: "What is 1 + 1?" } },
      { headers: forged() },
    );
    const native = createServiceTransport({ url: `http://${system.gatewayGrpc}` });
    const withKey = { ...forged(), authorization: `Bearer ${system.key}` };
    const got = await createClient(AgentService, native).getTask({ taskId }, { headers: withKey });
    expect(got.task?.taskId).toBe(taskId);
    native.close();
    const { tasks } = await client.listTasks({}, { headers: forged() });
    expect(tasks.map((task) => task.taskId)).toContain(taskId);
  });
});

describe("the logs at their most talkative", () => {
  test(
    "hold no key, no signature and no credential of a URL",
    async () => {
      const client = webClient(system);
      const message = { text: showcaseText };
      const { taskId } = await client.submitTask({ agent: "assistant", message });
      expect(kindsOf(await watchToEnd(client, taskId)).at(-1)).toBe("completed");
      const wrongKey = `wp_${randomBytes(32).toString("base64url")}`;
      await postJson(`${system.gatewayUrl}/chat`, {}, wrongKey);
      await postJson(`${system.proxyUrl}/v1/chat/completions`, {}, wrongKey);
      await postJson(`${system.proxyUrl}/v1/chat/completions`, "{", system.key);
      await (
        await postJson(
          `${system.proxyUrl}/v1/chat/completions`,
          { messages: [{ role: "user", content: "hi" }] },
          system.key,
        )
      ).text();
      await Bun.sleep(300);
      const logs = system
        .output()
        .split("\n")
        .filter((line) => line.startsWith("{"))
        .join("\n");
      // What is compared is short: a failure must not print what it looked for.
      expect(logs.includes('"level":"debug"')).toBe(true);
      for (const secret of [system.key, system.principalKey, upstreamKey, wrongKey]) {
        expect(logs.includes(secret)).toBe(false);
      }
      const principals = /v1\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{43}/;
      const bearers = /\bBearer (?!KEY|…)\S/;
      const credentials = /\w+:\/\/[^\s/"]*:[^\s/"@]*@/;
      for (const pattern of [principals, bearers, credentials]) {
        expect(pattern.test(logs)).toBe(false);
      }
    },
    timeoutMs,
  );
});
