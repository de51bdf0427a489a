import { expect, test } from "bun:test";
import { userMessage } from "@warmpath/runtime";
import { type Random, seededRandom } from "@warmpath/runtime/base";
import { testPrincipal } from "@warmpath/runtime/testing";
import {
  chunk,
  done,
  helloStream,
  startFakeEngine,
  startTestProxy,
  streamOf,
} from "../testing/index.ts";

/*
 * Goal: whatever happens to a call, its place at the replica, its place in the queue and its tokens
 * come back. Method: seeded engines that answer, hang, break, refuse and give up; callers of both
 * APIs that leave at any moment; afterwards nothing may be held anywhere.
 */

const calls = 120;

const behaviours: readonly ((random: Random) => Response | Promise<Response>)[] = [
  () => streamOf(helloStream),
  (random) => streamOf(helloStream, { pauseMs: random.next() * 10 }),
  () => streamOf([chunk({ content: "x" })], { hangsAtEnd: true }),
  () => streamOf([": wait\n\n"], { hangsAtEnd: true }),
  () => streamOf([chunk({ content: "x" })], { breaksAtEnd: true }),
  () => streamOf([chunk({ content: "x" }), chunk({}, "abort"), done]),
  () => new Promise(() => undefined),
  () => new Response("{}", { status: 503 }),
  () => Response.json({ error: { message: "no", code: 400 } }, { status: 400 }),
  () => Response.json({ choices: [{ message: { content: "hi" }, finish_reason: "stop" }] }),
];

test("whatever happens to its calls, the proxy holds nothing for them afterwards", async () => {
  const random = seededRandom("places");
  const engines = [startFakeEngine(), startFakeEngine()];
  for (const engine of engines) {
    engine.answer = () =>
      behaviours[Math.floor(random.next() * behaviours.length)]?.(random) as
        | Response
        | Promise<Response>;
  }
  const proxy = await startTestProxy(engines, {
    replicaInFlightMax: 3,
    queueWaitMsMax: 600,
    firstEventTimeoutMs: 300,
    idleTimeoutMs: 300,
    wholeTimeoutMs: 500,
    tokensPerMinute: 1_000_000,
  });

  const overHttp = async (signal: AbortSignal) => {
    // Half of them may be one with others: equal, repeatable, perhaps stored.
    const isShared = random.next() < 0.5;
    const number = isShared ? Math.floor(random.next() * 3) : random.next();
    const body = {
      model: "tiny",
      messages: [{ role: "user", content: `hi ${number}` }],
      stream: random.next() < 0.7,
      ...(isShared ? { temperature: 0 } : {}),
    };
    const headers = { "x-warmpath-cache": isShared && random.next() < 0.3 ? "exact" : "off" };
    const init = isShared && random.next() < 0.7 ? { signal } : { signal, headers };
    const response = await proxy.post("/v1/chat/completions", body, init);
    await response.text();
  };
  const overRpc = async (signal: AbortSignal) => {
    const request = { model: "tiny", messages: [userMessage(`hi ${random.next()}`)] };
    const stopsEarly = random.next() < 0.3;
    for await (const _ of proxy.inference.generate(request, {
      principal: testPrincipal(),
      signal,
    })) {
      if (stopsEarly) {
        return;
      }
    }
  };
  const one = async () => {
    await Bun.sleep(random.next() * 1200);
    const leaving = new AbortController();
    const timer = setTimeout(() => leaving.abort(new Error("left")), random.next() * 800);
    await (random.next() < 0.5 ? overHttp : overRpc)(leaving.signal).catch(() => undefined);
    clearTimeout(timer);
  };
  await Promise.all(Array.from({ length: calls }, one));

  const held = async () => {
    const { replicas } = await proxy.inference.listReplicas({}, { principal: testPrincipal() });
    const text = await proxy.metrics.text();
    const gauge = (name: string) => Number(new RegExp(`${name}\\{[^}]*\\} (\\d+)`).exec(text)?.[1]);
    return {
      inFlight: replicas.map(({ inFlight }) => inFlight),
      queued: gauge("queue_requests"),
      queuedBytes: gauge("queue_bytes"),
    };
  };
  const nothing = { inFlight: [0, 0], queued: 0, queuedBytes: 0 };
  for (let round = 0; round < 200 && JSON.stringify(await held()) !== JSON.stringify(nothing); ) {
    round += 1;
    await Bun.sleep(10);
  }
  expect(await held()).toEqual(nothing);
  await proxy.close();
  await Promise.all(engines.map((engine) => engine.stop()));
}, 15_000);
