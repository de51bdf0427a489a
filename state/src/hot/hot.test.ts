import { describe, expect, test } from "bun:test";
import { silentLogger, systemClock, WarmpathError } from "@warmpath/runtime/base";
import { hotContract } from "./hot.contract.ts";
import { createMemoryHot } from "./memory-hot.ts";
import { createRedisHot } from "./redis-hot.ts";

hotContract("memory", () => createMemoryHot(systemClock));

const url = process.env["WARMPATH_TEST_REDIS_URL"];
hotContract(
  "Redis",
  () => createRedisHot({ url: url ?? "", log: silentLogger, keyPrefix: "warmpath-test:" }),
  url === undefined ? "WARMPATH_TEST_REDIS_URL is not set" : undefined,
);

describe("hot stores at their limits", () => {
  test("memory forgets the oldest copy when it is full", async () => {
    const hot = createMemoryHot(systemClock, 2);
    for (const key of ["a", "b", "c"]) {
      await hot.setIfNewer(key, { seq: 1n, bytes: new Uint8Array() }, 1000);
    }
    expect(await hot.get("a")).toBeUndefined();
    expect(await hot.get("c")).toBeDefined();
  });

  test("a Redis that is away fails every call at once", async () => {
    const hot = createRedisHot({ url: "redis://127.0.0.1:1", log: silentLogger });
    const startedMs = performance.now();
    try {
      await hot.ready();
      throw new Error("it was ready");
    } catch (error) {
      expect(WarmpathError.from(error).code).toBe("unavailable");
    }
    expect(await hot.get("x").catch(() => "failed")).toBe("failed" as never);
    expect(performance.now() - startedMs).toBeLessThan(1000);
    await hot.close();
  });

  test("a Redis that takes connections and never answers fails calls after a moment, from the first on", async () => {
    const silent = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: { data: () => undefined },
    });
    const url = `redis://127.0.0.1:${silent.port}`;
    const hot = createRedisHot({ url, log: silentLogger, commandMsMax: 100 });
    const beganMs = performance.now();
    await expect(hot.get("a")).rejects.toThrow("redis did not answer");
    await expect(hot.get("a")).rejects.toThrow("redis did not answer");
    expect(performance.now() - beganMs).toBeLessThan(2_000);
    await hot.close();
    silent.stop(true);
  });
});
