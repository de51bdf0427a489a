import { afterEach, describe, expect, test } from "bun:test";
import {
  type FakeEngine,
  otherTenantKey,
  startFakeEngine,
  startTestProxy,
  type TestProxy,
} from "../testing/index.ts";
import { decideControls, parseControlPolicy } from "./engine-controls.ts";

let engine: FakeEngine;
let proxy: TestProxy;

afterEach(async () => {
  await proxy.close();
  await engine.stop();
});

async function setUp(config: Parameters<typeof startTestProxy>[1]): Promise<void> {
  engine = startFakeEngine();
  engine.answer = () => Response.json({ choices: [{ finish_reason: "stop" }] });
  proxy = await startTestProxy([engine], config);
  proxy.keys.set(otherTenantKey, 0);
}

const controls = {
  priority: -5,
  request_id: "mine",
  session_id: "s",
  kv_transfer_params: { do_remote_prefill: true },
  vllm_xargs: { a: 1 },
  nvext: { x: 1 },
};
const headers = { "X-data-parallel-rank": "3", "X-Vllm-Priority": "-9", "X-Session-ID": "s" };
const ask = { model: "tiny", messages: [], seed: 1 };

async function send(body: unknown, init: RequestInit = { headers }) {
  const response = await proxy.post("/v1/chat/completions", body, init);
  expect(response.status).toBe(200);
  const seen = engine.seen.at(-1);
  return {
    dropped: response.headers.get("x-warmpath-dropped"),
    body: seen?.body ?? "",
    header: (name: string) => seen?.headers.get(name) ?? undefined,
  };
}

describe("engine controls", () => {
  test("of a caller are taken out, by name, and the answer says so", async () => {
    await setUp({});
    const { dropped, body, header } = await send({ ...ask, ...controls });
    expect(JSON.parse(body)).toEqual({ ...ask, cache_salt: "acme" });
    expect(dropped).toBe(
      "priority, request_id, kv_transfer_params, vllm_xargs, nvext, x-data-parallel-rank, x-vllm-priority",
    );
    for (const name of Object.keys(headers)) {
      expect(header(name)).toBeUndefined();
    }
    expect(header("x-request-id")).toMatch(/^req_/);
  });

  test("are taken out in every spelling and copy", async () => {
    await setUp({});
    const text = `{"pri\\u006frity":-1,"model":"tiny","messages":[],"priority":-2,"vllm_xargs":{}}`;
    expect((await send(text, {})).body).toBe('{"model":"tiny","messages":[],"cache_salt":"acme"}');
  });

  test("leave a request without any of them as it is", async () => {
    await setUp({});
    const { dropped, body } = await send('{"model":"tiny","messages":[],"priorities":1}', {});
    expect(dropped).toBeNull();
    expect(body).toBe('{"model":"tiny","messages":[],"priorities":1,"cache_salt":"acme"}');
  });

  test("may lower a request's own priority and never lift it", async () => {
    await setUp({});
    for (const priority of [0, 7, null]) {
      expect(JSON.parse((await send({ ...ask, priority })).body)).toMatchObject({ priority });
    }
    for (const priority of [-1, "-1", "5", true, [-1]]) {
      expect(JSON.parse((await send({ ...ask, priority })).body).priority).toBeUndefined();
    }
  });

  test("pass by name where the operator says so", async () => {
    await setUp({ engineControls: ["vllm_xargs", "X-Data-Parallel-Rank"] });
    const { dropped, body, header } = await send({ ...ask, priority: -1, vllm_xargs: { a: 1 } });
    expect(JSON.parse(body)).toEqual({ ...ask, vllm_xargs: { a: 1 }, cache_salt: "acme" });
    expect(header("x-data-parallel-rank")).toBe("3");
    expect(dropped).toBe("priority, x-vllm-priority");
  });

  test("all pass for the tenants that are named, whose salt is led by the tenant even so", async () => {
    await setUp({ engineControlTenants: ["acme"] });
    const { dropped, body, header } = await send({ ...ask, ...controls, cache_salt: "x" });
    expect(JSON.parse(body)).toEqual({ ...ask, ...controls, cache_salt: "acme/x" });
    expect([header("x-vllm-priority"), header("x-session-id"), dropped]).toEqual(["-9", "s", null]);
    const other = await send(
      { ...ask, priority: -5 },
      { headers: { authorization: `Bearer ${otherTenantKey}` } },
    );
    expect(JSON.parse(other.body).priority).toBeUndefined();
  });

  test("reach no server that is not a vLLM by header", async () => {
    await setUp({ engineControlTenants: ["acme"] });
    await proxy.close();
    await engine.stop();
    engine = startFakeEngine({ isVllm: false });
    engine.answer = () => Response.json({});
    proxy = await startTestProxy([engine], { engineControlTenants: ["acme"] });
    expect((await send(ask)).header("x-data-parallel-rank")).toBeUndefined();
  });

  test("are the development tenant's by default", async () => {
    await setUp({});
    const request = {
      headers: new Headers(headers),
      body: {
        members: [{ name: "priority" }],
        has: (name: string) => name === "priority",
        read: () => -1,
      },
    };
    const policy = parseControlPolicy({ engineControls: [], engineControlTenants: ["dev"] });
    expect(decideControls(policy, "dev", request)).toMatchObject({ removed: [], dropped: [] });
    expect(decideControls(policy, "acme", request).removed).toEqual(["priority"]);
  });
});
