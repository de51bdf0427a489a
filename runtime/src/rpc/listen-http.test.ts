import { describe, expect, test } from "bun:test";
import { silentLogger, WarmpathError } from "../base/index.ts";
import { listenHttp } from "./listen-http.ts";

const host = "127.0.0.1";
const log = silentLogger;

describe("the HTTP listener", () => {
  test("turns what a handler throws into a JSON error", async () => {
    const listener = await listenHttp({
      host,
      port: 0,
      log,
      handle: (request) => {
        if (request.url.endsWith("/known")) {
          throw new WarmpathError("rejected-over-limit", "slow down", { retryAfterMs: 3000 });
        }
        throw new Error("secret");
      },
    });
    const known = await fetch(`http://${host}:${listener.port}/known`);
    expect(known.status).toBe(429);
    expect(known.headers.get("retry-after")).toBe("3");
    expect(await known.json()).toEqual({
      error: {
        code: "resource_exhausted",
        reason: "rejected-over-limit",
        message: "slow down",
        retryAfterMs: 3000,
      },
    });
    const unknown = await fetch(`http://${host}:${listener.port}/`);
    expect(unknown.status).toBe(500);
    expect(await unknown.text()).not.toContain("secret");
    await listener.close(0);
  });

  test("tells a handler when its caller has gone", async () => {
    const gone = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    const listener = await listenHttp({
      host,
      port: 0,
      log,
      handle: async (request) => {
        request.signal.addEventListener("abort", () => gone.resolve());
        started.resolve();
        await gone.promise;
        return new Response("late");
      },
    });
    const controller = new AbortController();
    const call = fetch(`http://${host}:${listener.port}/`, { signal: controller.signal });
    await started.promise;
    controller.abort();
    expect(await call.catch(() => "gone")).toBe("gone");
    await gone.promise;
    await listener.close(0);
  });

  test("lets a call under way end, and cuts it after its grace", async () => {
    const handle = async () => {
      await new Promise((resolve) => setTimeout(resolve, 100));
      return new Response("done");
    };
    const patient = await listenHttp({ host, port: 0, log, handle });
    const call = fetch(`http://${host}:${patient.port}/`);
    await new Promise((resolve) => setTimeout(resolve, 30));
    await patient.close(2000);
    expect(await (await call).text()).toBe("done");

    const hasty = await listenHttp({
      host,
      port: 0,
      log,
      handle: () => new Promise<Response>(() => undefined),
    });
    const stuck = fetch(`http://${host}:${hasty.port}/`).catch(() => "cut");
    await new Promise((resolve) => setTimeout(resolve, 30));
    const startMs = performance.now();
    await hasty.close(50);
    expect(performance.now() - startMs).toBeLessThan(1500);
    expect(await stuck).toBe("cut");
  });
});
