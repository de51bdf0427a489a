import { expect, test } from "bun:test";
import { freePort } from "@warmpath/runtime/testing";
import { startFakeEngine, startTestProxy, testKey } from "./testing/index.ts";

/*
 * Goal: several proxies on one machine take their share of one port, so that each uses a core of
 * its own. Method: two of them, many connections; what each has counted.
 */

test("proxies with one shared port have a share of its connections each", async () => {
  const engine = startFakeEngine();
  engine.answer = () => Response.json({ choices: [{ index: 0, finish_reason: "stop" }] });
  const sharedPort = await freePort();
  const proxies = [
    await startTestProxy([engine], { sharedPort }),
    await startTestProxy([engine], { sharedPort }),
  ];
  const ask = () =>
    fetch(`http://127.0.0.1:${sharedPort}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${testKey}`, connection: "close" },
      body: JSON.stringify({ model: "tiny", messages: [{ role: "user", content: "hi" }] }),
    });
  const statuses = await Promise.all(
    Array.from({ length: 64 }, async () => {
      const response = await ask();
      await response.text();
      return response.status;
    }),
  );
  expect(new Set(statuses)).toEqual(new Set([200]));
  // The books of a call are closed behind its answer, at the end of the turn.
  await new Promise<void>((resolve) => void setImmediate(resolve));
  const counts = await Promise.all(
    proxies.map(async ({ metrics }) =>
      Number(/attempts_total\{.*outcome="opened".*\} (\d+)/.exec(await metrics.text())?.[1] ?? 0),
    ),
  );
  expect(counts.reduce((sum, count) => sum + count)).toBe(64);
  expect(Math.min(...counts)).toBeGreaterThan(0);
  await Promise.all(proxies.map((proxy) => proxy.close()));
  await engine.stop();
});
