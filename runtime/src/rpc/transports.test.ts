import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { ConnectRouter, HandlerContext } from "@connectrpc/connect";
import { WarmpathError } from "../base/index.ts";
import { tracingOff } from "../telemetry/tracing.ts";
import { EchoService } from "../testing/echo-service.ts";
import {
  type RpcFixture,
  startRpcFixture,
  type TransportName,
  transportNames,
} from "../testing/rpc-fixture.ts";
import { createTestSigner, testPrincipal } from "../testing/test-signer.ts";
import { principalOf } from "./call-context.ts";
import { createServiceClient } from "./client.ts";

// Goal: a caller cannot tell by which transport it reached a service.
// Method: one server with all four kinds of call, and every behaviour tried through every way in.

const aborted: string[] = [];
/** Streams whose handler ran its `finally`. */
const wound: string[] = [];
let fixture: RpcFixture;

async function noteAbort(label: string, context: HandlerContext): Promise<never> {
  return new Promise((_, reject) => {
    const onAbort = () => {
      aborted.push(label);
      reject(context.signal.reason);
    };
    if (context.signal.aborted) {
      onAbort();
    }
    context.signal.addEventListener("abort", onAbort);
  });
}

function fail(text: string): void {
  if (text === "fail") {
    throw new WarmpathError("rejected-over-limit", "too many", {
      retryAfterMs: 1500,
      fields: [{ field: "value", fault: "says fail" }],
    });
  }
  if (text === "crash") {
    throw new Error("the database password is hunter2");
  }
}

function routes(router: ConnectRouter): void {
  router.service(EchoService, {
    async say(request, context) {
      fail(request.value);
      if (request.value.startsWith("hang")) {
        return await noteAbort(request.value, context);
      }
      if (request.value === "who") {
        return { value: principalOf(context).tenant };
      }
      if (request.value === "left") {
        return { value: String(context.timeoutMs()) };
      }
      context.responseHeader.set("x-head", "h");
      context.responseTrailer.set("x-tail", "t");
      return { value: request.value };
    },
    async *repeat(request, context) {
      fail(request.value);
      try {
        for (let index = 0; index < 3; index++) {
          yield { value: `${request.value} ${index}` };
        }
        if (request.value.startsWith("hang")) {
          await noteAbort(request.value, context);
        }
      } finally {
        wound.push(request.value);
      }
      fail(request.value.replace("late-", ""));
    },
    async join(requests) {
      const values: string[] = [];
      for await (const { value } of requests) {
        fail(value);
        values.push(value);
      }
      return { value: values.join("+") };
    },
    async *chat(requests) {
      for await (const { value } of requests) {
        fail(value);
        yield { value: value.toUpperCase() };
      }
    },
  });
}

beforeAll(async () => {
  fixture = await startRpcFixture(routes);
});
afterAll(() => fixture.close());

const principal = testPrincipal();

function clientOf(name: TransportName, signer = createTestSigner()) {
  return createServiceClient(EchoService, fixture.transport(name), {
    signer,
    tracing: tracingOff,
    timeoutMs: 5000,
  });
}

async function collect(items: AsyncIterable<{ value: string }>): Promise<string[]> {
  const values: string[] = [];
  for await (const { value } of items) {
    values.push(value);
  }
  return values;
}

async function* texts(...values: string[]) {
  for (const value of values) {
    yield { value };
  }
}

/** What was thrown, which must be one of ours. */
async function errorOf(work: Promise<unknown>): Promise<WarmpathError> {
  try {
    await work;
  } catch (error) {
    expect(error).toBeInstanceOf(WarmpathError);
    return error as WarmpathError;
  }
  throw new Error("the call should have failed");
}

async function until(condition: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + 3000;
  while (!condition()) {
    if (Date.now() > deadlineMs) {
      throw new Error("what the test waits for did not happen within 3 s");
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

for (const name of transportNames) {
  describe(`through ${name}`, () => {
    test("each of the four kinds of call is answered", async () => {
      const client = clientOf(name);
      expect((await client.say({ value: "hi" }, { principal })).value).toBe("hi");
      expect(await collect(client.repeat({ value: "a" }, { principal }))).toEqual([
        "a 0",
        "a 1",
        "a 2",
      ]);
      expect((await client.join(texts("x", "y", "z"), { principal })).value).toBe("x+y+z");
      expect(await collect(client.chat(texts("p", "q"), { principal }))).toEqual(["P", "Q"]);
    });

    test("the handler knows on whose behalf it is called", async () => {
      const answer = await clientOf(name).say({ value: "who" }, { principal });
      expect(answer.value).toBe("acme");
    });

    test("an error keeps its reason, fields and time to retry", async () => {
      const client = clientOf(name);
      for (const work of [
        () => client.say({ value: "fail" }, { principal }),
        () => collect(client.repeat({ value: "fail" }, { principal })),
        () => client.join(texts("a", "fail"), { principal }),
        () => collect(client.chat(texts("fail"), { principal })),
      ]) {
        const error = await errorOf(work());
        expect(error.reason).toBe("rejected-over-limit");
        expect(error.message).toBe("too many");
        expect(error.retryAfterMs).toBe(1500);
        expect(error.fields).toEqual([{ field: "value", fault: "says fail" }]);
      }
    });

    test("an error after some items arrives after these items", async () => {
      const values: string[] = [];
      const work = (async () => {
        for await (const { value } of clientOf(name).repeat(
          { value: "late-fail" },
          { principal },
        )) {
          values.push(value);
        }
      })();
      const error = await errorOf(work);
      expect(error.reason).toBe("rejected-over-limit");
      expect(values).toHaveLength(3);
    });

    test("an unforeseen error tells nothing of its cause", async () => {
      const error = await errorOf(clientOf(name).say({ value: "crash" }, { principal }));
      expect(error.reason).toBe("failed-internal");
      expect(error.message).toBe("internal error");
      expect(JSON.stringify(error)).not.toContain("hunter2");
    });

    test("cancelling a call reaches its handler", async () => {
      const controller = new AbortController();
      const label = `hang unary ${name}`;
      const work = clientOf(name).say({ value: label }, { principal, signal: controller.signal });
      setTimeout(() => controller.abort(), 50);
      const error = await errorOf(work);
      expect(error.reason).toBe("failed-cancelled");
      await until(() => aborted.includes(label));
    });

    test("cancelling a stream reaches its handler", async () => {
      const controller = new AbortController();
      const label = `hang stream ${name}`;
      const values: string[] = [];
      const work = (async () => {
        const options = { principal, signal: controller.signal };
        for await (const { value } of clientOf(name).repeat({ value: label }, options)) {
          values.push(value);
          if (values.length === 3) {
            setTimeout(() => controller.abort(), 20);
          }
        }
      })();
      const error = await errorOf(work);
      expect(error.reason).toBe("failed-cancelled");
      await until(() => aborted.includes(label));
    });

    test("leaving a stream early reaches its handler", async () => {
      const label = `hang leave ${name}`;
      for await (const { value } of clientOf(name).repeat({ value: label }, { principal })) {
        if (value.endsWith("2")) {
          break;
        }
      }
      await until(() => wound.includes(label));
    });

    test("a deadline ends the call on both sides", async () => {
      const label = `hang deadline ${name}`;
      const client = clientOf(name);
      const error = await errorOf(client.say({ value: label }, { principal, timeoutMs: 60 }));
      expect(error.reason).toBe("failed-timeout");
      await until(() => aborted.includes(label));
      const left = await client.say({ value: "left" }, { principal, timeoutMs: 2000 });
      expect(Number(left.value)).toBeGreaterThan(500);
      expect(Number(left.value)).toBeLessThanOrEqual(2000);
    });

    test("a principal signed by a stranger is refused", async () => {
      const stranger = { ...createTestSigner(), sign: () => "v1.AAAAAAAAAAAAAA.AAAA" };
      const error = await errorOf(clientOf(name, stranger).say({ value: "hi" }, { principal }));
      expect(error.reason).toBe("rejected-unsigned");
      expect(error.code).toBe("unauthenticated");
    });

    test("a message over the limit is refused as too large", async () => {
      const value = "x".repeat(5 * 1024 * 1024);
      const error = await errorOf(clientOf(name).say({ value }, { principal }));
      expect(error.reason).toBe("rejected-too-large");
      expect(error.code).toBe("resource_exhausted");
    });
  });
}

test("a call without a principal is refused before its body is read", async () => {
  const response = await fetch(`${fixture.httpUrl}/warmpath.test.v1.EchoService/Say`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "not even JSON",
  });
  expect(response.status).toBe(401);
  expect(await response.json()).toMatchObject({ code: "unauthenticated" });
});
