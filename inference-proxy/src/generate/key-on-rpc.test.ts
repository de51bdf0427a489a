import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createClient } from "@connectrpc/connect";
import { InferenceService } from "@warmpath/proto/inference";
import { createServiceTransport, principalHeader, userMessage } from "@warmpath/runtime";
import { WarmpathError } from "@warmpath/runtime/base";
import {
  chunk,
  type FakeEngine,
  helloStream,
  startFakeEngine,
  startTestProxy,
  streamOf,
  type TestProxy,
  testKey,
} from "../testing/index.ts";

/*
 * Goal: a tenant's own API key on the InferenceService is worth exactly what it is worth on the
 * OpenAI API, and nothing is answered without one. Method: native gRPC, as a client of theirs
 * would.
 */

let engine: FakeEngine;
let proxy: TestProxy;
let transport: ReturnType<typeof createServiceTransport>;

beforeEach(async () => {
  engine = startFakeEngine();
  engine.answer = () => streamOf(helloStream);
  proxy = await startTestProxy([engine]);
  transport = createServiceTransport({ url: `http://127.0.0.1:${proxy.proxy.grpcPort}` });
});

afterEach(async () => {
  transport.close();
  await proxy.close();
  await engine.stop();
});

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

async function eventually(holds: () => boolean): Promise<void> {
  for (let round = 0; round < 200 && !holds(); round += 1) {
    await Bun.sleep(10);
  }
  expect(holds()).toBe(true);
}

async function generate(
  headers: HeadersInit,
  signal?: AbortSignal,
): Promise<WarmpathError | undefined> {
  const client = createClient(InferenceService, transport);
  try {
    for await (const _event of client.generate(
      { model: "tiny", messages: [userMessage("hi")] },
      { headers, ...(signal === undefined ? {} : { signal }) },
    )) {
      // Only whether it ends well matters.
    }
    return undefined;
  } catch (thrown) {
    return WarmpathError.from(thrown);
  }
}

describe("InferenceService for a caller with an API key", () => {
  test("counts the key's requests per minute together with those over HTTP", async () => {
    proxy.keys.set(testKey, 2);
    expect(await generate(bearer(testKey))).toBeUndefined();
    const ask = { model: "tiny", messages: [{ role: "user", content: "hi" }], stream: true };
    expect((await proxy.post("/v1/chat/completions", ask)).status).toBe(200);
    const refused = await generate(bearer(testKey));
    expect(refused).toMatchObject({ reason: "rejected-over-limit" });
    expect(refused?.retryAfterMs).toBeGreaterThan(0);
  });

  test("salts the prompt with the key's tenant", async () => {
    await generate(bearer(testKey));
    expect(JSON.parse(engine.seen[0]?.body ?? "{}")).toMatchObject({ cache_salt: "acme" });
  });

  test("frees the engine and the place when the caller cancels over native gRPC", async () => {
    for (const first of [": ok\n\n", chunk({ content: "x" })]) {
      const before = engine.left;
      const seen = engine.seen.length;
      engine.answer = () => streamOf([first], { hangsAtEnd: true });
      const leaving = new AbortController();
      const asked = generate(bearer(testKey), leaving.signal);
      await eventually(() => engine.seen.length > seen);
      await Bun.sleep(30);
      leaving.abort();
      expect((await asked)?.code).toBe("canceled");
      await eventually(() => engine.left > before);
      const client = createClient(InferenceService, transport);
      const { replicas } = await client.listReplicas({}, { headers: bearer(testKey) });
      expect(replicas[0]?.inFlight).toBe(0);
    }
  });

  test("answers nothing without a key, and believes no principal that is not signed", async () => {
    const client = createClient(InferenceService, transport);
    const forged = { ...bearer(testKey), [principalHeader]: "v1.AAAAAAAAAAAA.AAAA" };
    const methods = [
      (headers: HeadersInit) => client.listReplicas({}, { headers }),
      (headers: HeadersInit) => client.listModels({}, { headers }),
      (headers: HeadersInit) => client.explainRoute({ model: "tiny" }, { headers }),
      (headers: HeadersInit) => client.embed({ texts: ["x"] }, { headers }),
    ];
    for (const headers of [{}, bearer("wrong"), forged]) {
      for (const method of methods) {
        const error = await method(headers).then(
          () => undefined,
          (thrown) => WarmpathError.from(thrown),
        );
        expect(error?.code).toBe("unauthenticated");
      }
      expect((await generate(headers))?.code).toBe("unauthenticated");
    }
    expect(engine.seen.length).toBe(0);
  });
});
