import { afterEach, describe, expect, test } from "bun:test";
import { helloStream, startTestProxy, streamOf, type TestProxy } from "../testing/index.ts";

const caller = { principal: { tenant: "acme", user: "alice", keyId: "key", agentChain: [] } };

describe("a proxy before pods that come and go", () => {
  const opened: (TestProxy | Bun.Server<unknown>)[] = [];
  afterEach(async () => {
    for (const each of opened.splice(0).reverse()) {
      await ("stop" in each ? each.stop(true) : each.close());
    }
  });

  test("asks each at its own address by the upstream's name, and finds the next one by itself", async () => {
    const hosts: string[] = [];
    const pod = (hostname: string, port: number) => {
      const server = Bun.serve({
        hostname,
        port,
        fetch: ({ url, method, headers }) => {
          if (method === "GET") {
            return url.endsWith("/v1/models")
              ? Response.json({ data: [{ id: "tiny", owned_by: "library" }] })
              : new Response(null, { status: 404 });
          }
          hosts.push(`${hostname} as ${headers.get("host")}`);
          return streamOf(helloStream);
        },
      });
      opened.push(server);
      return server;
    };
    const first = pod("127.0.0.1", 0);
    const port = first.port ?? 0;
    const answer = { ips: ["127.0.0.1"] };
    const proxy = await startTestProxy(
      [{ url: `dns://engines.test:${port}` }],
      { upstreamPodsMax: 2, upstreamLookUpMs: 20 },
      { lookUp: async () => answer.ips },
    );
    opened.push(proxy);
    const ask = async () => {
      const body = { model: "tiny", stream: true, messages: [{ role: "user", content: "hi" }] };
      const response = await proxy.post("/v1/chat/completions", body);
      await response.text();
      return response.status;
    };
    expect(await ask()).toBe(200);
    // Free places are no replicas that are out, of which nobody knows what they serve.
    const askOther = async () =>
      (await proxy.post("/v1/chat/completions", { model: "other", messages: [] })).status;
    let other = await askOther();
    for (let tries = 0; tries < 200 && other !== 404; tries += 1) {
      await Bun.sleep(10);
      other = await askOther();
    }
    expect(other).toBe(404);
    expect(hosts).toEqual([`127.0.0.1 as engines.test:${port}`]);
    const listed = async () =>
      (await proxy.inference.listReplicas({}, caller)).replicas.map(({ name, url }) => [name, url]);
    expect(await listed()).toEqual([[`engines.test:${port}~0`, `http://127.0.0.1:${port}`]]);

    pod("127.0.0.2", port);
    answer.ips = ["127.0.0.2"];
    await first.stop(true);
    let status = await ask();
    for (let tries = 0; tries < 200 && status !== 200; tries += 1) {
      await Bun.sleep(10);
      status = await ask();
    }
    expect(status).toBe(200);
    expect(hosts.at(-1)).toBe(`127.0.0.2 as engines.test:${port}`);
    // The one before goes once its probes fail.
    for (let tries = 0; tries < 500 && (await listed()).length > 1; tries += 1) {
      await Bun.sleep(10);
    }
    expect(await listed()).toEqual([[`engines.test:${port}~1`, `http://127.0.0.2:${port}`]]);
    const page = await proxy.metrics.text();
    expect(page).not.toContain(`replica_healthy{replica="engines.test:${port}~0"`);
  });
});
