import { expect, test } from "bun:test";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { Lane } from "@warmpath/proto/common";
import { testPrincipal } from "@warmpath/runtime/testing";
import { helloStream, startFakeEngine, startTestProxy, streamOf } from "../testing/index.ts";
import { queueFull, waitedTooLong } from "./queue-view.ts";

const ask = { model: "tiny", messages: [{ role: "user", content: "hi" }], stream: true };

test("who waits is told where it stood and for how long; ListReplicas shows the lines", async () => {
  const engine = startFakeEngine();
  const proxy = await startTestProxy([engine], { replicaInFlightMax: 1, queueRequestsMax: 2 });
  const post = (lane: string) =>
    proxy.post("/v1/chat/completions", ask, { headers: { "x-warmpath-lane": lane } });
  const lines = async () =>
    (await proxy.inference.listReplicas({}, { principal: testPrincipal() })).lines;
  try {
    // A first place comes free, so that there is a rate to go by.
    engine.answer = () => streamOf(helloStream);
    await (await post("standard")).text();
    expect(await lines()).toEqual([]);

    const { promise, resolve } = Promise.withResolvers<void>();
    engine.answer = () => promise.then(() => streamOf(helloStream));
    const running = post("standard");
    while (engine.seen.length < 2) {
      await Bun.sleep(1);
    }
    const waiting = [post("batch"), post("interactive")];
    while ((await lines()).length < 2) {
      await Bun.sleep(1);
    }
    const [interactive, batch] = await lines();
    expect([interactive?.lane, interactive?.waiting]).toEqual([Lane.INTERACTIVE, 1]);
    expect([batch?.lane, batch?.waiting]).toEqual([Lane.BATCH, 1]);
    expect(batch?.placesPerSecond).toBeGreaterThan(0);
    const estimates = [interactive, batch].map(
      (line) => line?.estimate && durationMs(line.estimate),
    );
    expect(estimates[1]).toBeGreaterThan(estimates[0] ?? 0);

    const refused = await post("batch");
    expect(refused.status).toBe(503);
    expect(refused.headers.get("x-warmpath-queue-position")).toBe("3");
    const estimateMs = Number(refused.headers.get("x-warmpath-queue-estimate-ms"));
    expect(estimateMs).toBeGreaterThan(0);
    expect(Number(refused.headers.get("retry-after")) * 1000).toBeGreaterThanOrEqual(estimateMs);

    resolve();
    const answers = await Promise.all([running, ...waiting]);
    const positions = answers.map(({ headers }) => headers.get("x-warmpath-queue-position"));
    expect(positions[0]).toBeNull();
    expect(Number(positions[1]) + Number(positions[2])).toBeWithin(2, 4);
    await Promise.all(answers.map((answer) => answer.text()));
  } finally {
    await proxy.close();
    await engine.stop();
  }
});

test("a refusal's Retry-After is the estimate, within a second and a minute", () => {
  const after = (estimateMs: number | undefined) =>
    queueFull({ position: 9, estimateMs }, 1000).retryAfterMs;
  expect([after(undefined), after(10), after(5000), after(600_000)]).toEqual([
    1000, 1000, 5000, 60_000,
  ]);
  expect(waitedTooLong({ position: 1, estimateMs: 2000 }, 50, 1000).retryAfterMs).toBe(2000);
});
