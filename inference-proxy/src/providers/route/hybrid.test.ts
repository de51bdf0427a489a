import { afterEach, describe, expect, test } from "bun:test";
import { userMessage } from "@warmpath/runtime";
import { type Logger, silentLogger } from "@warmpath/runtime/base";
import { testPrincipal } from "@warmpath/runtime/testing";
import { providerKey, startFakeProvider } from "../../testing/fake-provider.ts";
import { helloStream, startFakeEngine, startTestProxy, streamOf } from "../../testing/index.ts";

/*
 * Goal: our own engine first, a hosted provider when it is full or gone for too long, and the
 * client is told. Method: a whole proxy over sockets before one engine and one provider.
 */

const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) {
    await close();
  }
});

async function start(overflowWaitMs: number, onLog: Logger["info"] = () => {}) {
  const engine = startFakeEngine({ models: ["own"] });
  const provider = startFakeProvider();
  provider.answer = () =>
    Response.json({
      id: "msg_1",
      type: "message",
      model: "claude-x",
      content: [{ type: "text", text: "hosted" }],
      stop_reason: "end_turn",
      usage: { input_tokens: 1, output_tokens: 1 },
    });
  const proxy = await startTestProxy(
    [engine],
    {
      providers: [`anthropic=${provider.url} name=hosted key-env=KEY models=claude-x`],
      routes: ["model=auto prompt<10k -> own claude-x", "model=auto -> claude-x"],
      overflowWaitMs,
      replicaInFlightMax: 1,
    },
    { secrets: { KEY: providerKey }, log: { ...silentLogger, enabled: () => true, info: onLog } },
  );
  opened.push(
    () => engine.stop(),
    () => provider.close(),
    () => proxy.close(),
  );
  const post = (content = "hi") =>
    proxy.post("/v1/chat/completions", {
      model: "auto",
      messages: [{ role: "user", content }],
    });
  return { engine, provider, proxy, post };
}

const own = () =>
  Response.json({ id: "c", choices: [{ message: { content: "own" }, finish_reason: "stop" }] });

async function told(response: Response) {
  const { choices } = (await response.json()) as { choices: { message: { content: string } }[] };
  return [
    choices[0]?.message.content,
    response.headers.get("x-warmpath-model"),
    response.headers.get("x-warmpath-route")?.replace(/\d+ ms/, "N ms"),
  ];
}

describe("a table with our own engine first", () => {
  test("keeps to it while it has room", async () => {
    const { engine, provider, post } = await start(0);
    engine.answer = own;
    expect(await told(await post())).toEqual(["own", "own", "rule 1, first: it has room"]);
    expect(provider.seen).toEqual([]);
  });

  test("explains what it would do", async () => {
    const { engine, proxy } = await start(0);
    const request = { model: "auto", messages: [userMessage("hi")] };
    const { replica, reason } = await proxy.inference.explainRoute(request, {
      principal: testPrincipal(),
    });
    expect(replica).toBe(engine.name);
    expect(reason).toStartWith("Rule 1 chose own: it has room. ");
  });

  test("goes to the hosted model when it stays full, and says why", async () => {
    const { engine, post, proxy } = await start(30);
    const held = Promise.withResolvers<void>();
    const busy = Promise.withResolvers<void>();
    engine.answer = async () => {
      busy.resolve();
      await held.promise;
      return own();
    };
    const first = post();
    await busy.promise;
    const reason = "rule 1, overflow: own is saturated for N ms";
    expect(await told(await post())).toEqual(["hosted", "claude-x", reason]);
    held.resolve();
    expect((await told(await first))[0]).toBe("own");
    const counted = await proxy.metrics.text();
    expect(counted).toContain(
      'warmpath_inference_proxy_routes_total{rule="1",model="claude-x",kind="overflow",',
    );
  });

  test("waits for our own engine with what the hosted model has no word for", async () => {
    const refused = Promise.withResolvers<void>();
    const { engine, provider, proxy } = await start(30, (_message, fields) => {
      if (fields?.["outcome"] === "rejected-invalid") {
        refused.resolve();
      }
    });
    engine.answer = async () => {
      await refused.promise;
      return own();
    };
    const several = { model: "auto", n: 2, messages: [{ role: "user", content: "hi" }] };
    const both = [1, 2].map(async () => await proxy.post("/v1/chat/completions", several));
    for (const response of await Promise.all(both)) {
      expect((await told(response)).slice(0, 2)).toEqual(["own", "own"]);
    }
    expect(provider.seen).toEqual([]);
  });

  test("goes to the hosted model at once where the wait is none and the engine is gone", async () => {
    const { engine, post } = await start(0);
    await engine.stop();
    const [content, model] = await told(await post());
    expect([content, model]).toEqual(["hosted", "claude-x"]);
  });

  test("sends long prompts where the table says, and others where they ask to go", async () => {
    const { engine, proxy, post } = await start(0);
    engine.answer = () => streamOf(helloStream);
    const [content, , reason] = await told(await post("word ".repeat(30_000)));
    expect([content, reason]).toEqual(["hosted", "rule 2, first: it has room"]);
    const direct = await proxy.post("/v1/chat/completions", {
      model: "own",
      stream: true,
      messages: [],
    });
    expect(await direct.text()).toContain("hel");
    expect(direct.headers.get("x-warmpath-route")).toBeNull();
  });
});
