import { expect, test } from "bun:test";
import { startTestProxy, type TestProxy } from "@warmpath/inference-proxy/testing";
import { testPrincipal } from "@warmpath/runtime/testing";
import { startReplica } from "../system/start-replica.ts";

/* Goal: requests of others are load, too. Method: two engines, one of which is asked directly. */

const model = "warmpath-sim";
const answerTokens = 1200;
const caller = { principal: testPrincipal() };

const question = (text: string) => ({
  model,
  stream: true,
  max_tokens: answerTokens,
  messages: [{ role: "user", content: `Write ${answerTokens} words about ${text}.` }],
});

async function untilRunning(proxy: TestProxy, name: string, isEnough: (count: number) => boolean) {
  for (;;) {
    const { replicas } = await proxy.inference.listReplicas({}, caller);
    const running = replicas.find((replica) => replica.name === name)?.engineRunning ?? 0;
    if (isEnough(running)) return;
    await Bun.sleep(20);
  }
}

test("requests that others send to an engine keep ours away, until they have ended", async () => {
  const replicas = await Promise.all([1, 2].map(() => startReplica(["--seed=1"])));
  const proxy = await startTestProxy(replicas, { probeIntervalMs: 50 });
  const left = new AbortController();
  const othersLeft = new AbortController();
  try {
    const [busy, free] = replicas.map(({ url }) => new URL(url).host);
    const others = Array.from({ length: 8 }, (_, index) =>
      fetch(`http://${busy}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(question(`rivers ${index}`)),
        signal: othersLeft.signal,
      }),
    );
    // Held until the end: a body that nobody holds is collected, and its request left.
    const bodies = (await Promise.all(others)).map(({ body }) => body?.getReader());
    await untilRunning(proxy, busy ?? "", (count) => count >= 8);
    const place = async (text: string) => {
      const { signal } = left;
      const answer = await proxy.post("/v1/chat/completions", question(text), { signal });
      return answer.headers.get("x-warmpath-replica");
    };
    for (let index = 0; index < 5; index += 1) expect(await place(`hills ${index}`)).toBe(free!);
    expect(bodies).toHaveLength(8);
    othersLeft.abort();
    await untilRunning(proxy, busy ?? "", (count) => count === 0);
    // A scrape that failed reads as nobody running, too: the next one tells.
    while ((await place("lakes")) !== busy) await Bun.sleep(20);
  } finally {
    left.abort();
    othersLeft.abort();
    await proxy.close();
    await Promise.all(replicas.map((replica) => replica.stop(0)));
  }
}, 20_000);
