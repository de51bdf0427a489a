import { describe, expect, test } from "bun:test";
import type { ConnectRouter } from "@connectrpc/connect";
import { createLogger, WarmpathError } from "../base/index.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { tracingOff } from "../telemetry/tracing.ts";
import { EchoService } from "../testing/echo-service.ts";
import { freePort } from "../testing/free-port.ts";
import { startRpcFixture, transportNames } from "../testing/rpc-fixture.ts";
import { createTestSigner, testPrincipal } from "../testing/test-signer.ts";
import { createServiceClient } from "./client.ts";
import { createServiceTransport } from "./grpc-transport.ts";

const principal = testPrincipal();
const options = { signer: createTestSigner(), tracing: tracingOff, timeoutMs: 2000 };

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

describe("a caller that stops for a reason of its own", () => {
  for (const name of transportNames) {
    test(`has cancelled, and is no fault of the server, through ${name}`, async () => {
      const lines: string[] = [];
      const write = (line: string) => lines.push(line);
      const log = createLogger({ service: "test", level: "debug", format: "json", write });
      const waiting = (signal: AbortSignal) =>
        new Promise<never>((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason));
        });
      const fixture = await startRpcFixture(
        (router) =>
          router.service(EchoService, {
            say: async (_, context) => await waiting(context.signal),
            async *repeat(request, context) {
              yield request;
              await waiting(context.signal);
            },
          }),
        { log },
      );
      const client = createServiceClient(EchoService, fixture.transport(name), options);
      const stop = new AbortController();
      const { signal } = stop;
      const said = client.say({ value: "x" }, { principal, signal }).catch((error) => error);
      const repeated = (async () => {
        for await (const _ of client.repeat({ value: "x" }, { principal, signal })) {
          // The first comes; the second never does.
        }
      })().catch((error) => error);
      await pause(100);
      stop.abort(new Error("the lease was lost"));
      expect((await said).reason).not.toBe("failed-internal");
      expect((await repeated).reason).not.toBe("failed-internal");
      await pause(100);
      expect(lines.filter((line) => line.includes('"level":"error"'))).toEqual([]);
      await fixture.close();
    });
  }
});

async function* one(value: string) {
  yield { value };
}

describe("a stream that ends well", () => {
  for (const name of transportNames) {
    test(`is counted once and said nothing of, and one that fails is told once, through ${name}`, async () => {
      const metrics = createMetrics("test");
      const lines: string[] = [];
      const write = (line: string) => lines.push(line);
      const log = createLogger({ service: "test", level: "debug", format: "json", write });
      const fixture = await startRpcFixture(
        (router) =>
          router.service(EchoService, {
            async *repeat(request) {
              yield request;
              await pause(5);
              yield request;
            },
            // biome-ignore lint/correctness/useYield: it fails before it has anything to say
            async *chat() {
              throw new Error("disk on fire");
            },
          }),
        { metrics, log },
      );
      const client = createServiceClient(EchoService, fixture.transport(name), options);
      for await (const _ of client.repeat({ value: "x" }, { principal, timeoutMs: 2000 })) {
        await pause(5);
      }
      await pause(50);
      const counts = (await metrics.text())
        .split("\n")
        .filter((line) => /^warmpath_rpc\w*_count\{.*Repeat/.test(line));
      expect(counts.length).toBe(1);
      expect(counts[0]).toMatch(/code="ok".* 1$/);
      const told = () => lines.filter((line) => /call (failed|refused)/.test(line));
      expect(told()).toEqual([]);
      const failed = await client
        .chat(one("x"), { principal })
        [Symbol.asyncIterator]()
        .next()
        .catch((error: unknown) => error);
      expect(WarmpathError.from(failed).reason).toBe("failed-internal");
      await pause(50);
      expect(told().length).toBe(1);
      await fixture.close();
    });
  }
});

describe("a stream in trouble", () => {
  for (const name of transportNames) {
    test(`does not run ahead of a slow reader through ${name}`, async () => {
      // Goal: what a reader does not take is not produced. Method: large items, a reader that
      // takes one and rests; what is in flight may only be what sockets and windows hold.
      let produced = 0;
      const value = "x".repeat(64 * 1024);
      const fixture = await startRpcFixture((router) =>
        router.service(EchoService, {
          async *repeat() {
            for (; produced < 2000; produced++) {
              yield { value };
            }
          },
        }),
      );
      const client = createServiceClient(EchoService, fixture.transport(name), options);
      for await (const _ of client.repeat({ value }, { principal })) {
        await pause(250);
        break;
      }
      // 2000 items are 125 MiB; 400 are 25 MiB.
      expect(produced).toBeLessThan(400);
      await fixture.close();
    });
  }

  for (const name of transportNames.filter((each) => each !== "in memory")) {
    test(`is never shown as finished when its server dies, through ${name}`, async () => {
      const fixture = await startRpcFixture((router) =>
        router.service(EchoService, {
          async *repeat(request) {
            yield request;
            await pause(60_000);
          },
        }),
      );
      const client = createServiceClient(EchoService, fixture.transport(name), options);
      let outcome = "finished";
      try {
        for await (const _ of client.repeat({ value: "x" }, { principal })) {
          void fixture.close();
        }
      } catch (error) {
        outcome = WarmpathError.from(error).code;
      }
      expect(["unavailable", "unknown", "internal", "canceled"]).toContain(outcome);
    });
  }

  test("a call fails at once when nobody listens, and succeeds when somebody does", async () => {
    const grpcPort = await freePort();
    const url = `http://127.0.0.1:${grpcPort}`;
    const transport = createServiceTransport({ url });
    const client = createServiceClient(EchoService, transport, options);
    const failed = await client.say({ value: "x" }, { principal }).catch((error) => error);
    expect(failed).toMatchObject({ reason: "failed-unavailable", retry: "if-unsent" });
    const echo = { say: (request: { value: string }) => ({ value: request.value }) };
    const routes = (router: ConnectRouter) => void router.service(EchoService, echo);
    const fixture = await startRpcFixture(routes, { grpcPort });
    let answer = "";
    for (let attempt = 0; attempt < 100 && answer === ""; attempt++) {
      await pause(20);
      answer = await client.say({ value: "back" }, { principal }).then(
        ({ value }) => value,
        () => "",
      );
    }
    expect(answer).toBe("back");
    transport.close();
    await fixture.close();
  });

  test("ends when the source of its requests breaks, with what broke it", async () => {
    const fixture = await startRpcFixture((router) =>
      router.service(EchoService, {
        async join(requests) {
          for await (const _ of requests) {
            // Only the end matters.
          }
          return { value: "all" };
        },
      }),
    );
    const client = createServiceClient(EchoService, fixture.transport("gRPC"), options);
    async function* broken() {
      yield { value: "x" };
      throw new WarmpathError("failed-store", "the disk broke");
    }
    const failed = await client.join(broken(), { principal }).catch((error) => error);
    expect(failed).toMatchObject({ reason: "failed-store" });
    await fixture.close();
  });
});
