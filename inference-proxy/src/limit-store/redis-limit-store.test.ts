import { describe, expect, test } from "bun:test";
import { systemClock, WarmpathError } from "@warmpath/runtime/base";
import { limitStoreContract } from "../pace/limit-store.contract.ts";
import { createRedisLimitStore } from "./index.ts";

const url = process.env["WARMPATH_TEST_REDIS_URL"];
const keyPrefix = "warmpath-test:";

limitStoreContract(
  "Redis",
  () => createRedisLimitStore({ url: url ?? "", clock: systemClock, keyPrefix }),
  url === undefined ? "WARMPATH_TEST_REDIS_URL is not set" : undefined,
);

describe("createRedisLimitStore() when Redis does not answer", () => {
  const claimsOf = (bucket: string) => [
    {
      bucket,
      holder: "a",
      isFirst: true,
      amount: 1,
      periodMs: 1000,
      ...{ spent: 0, kept: 0, need: 1, wish: 0, slice: 0 },
    },
  ];
  const fails = async (at: string) => {
    const store = createRedisLimitStore({ url: at, clock: systemClock, commandMsMax: 50 });
    for (let round = 0; round < 2; round += 1) {
      const failed = await store.exchange(claimsOf("b"), 1000).catch((error: unknown) => error);
      expect(WarmpathError.from(failed).code).toBe("unavailable");
    }
    await store.close();
  };

  test("one that is away fails every exchange", () => fails("redis://127.0.0.1:1"));

  test("one that takes connections and says nothing fails them after a moment", async () => {
    const silent = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: { data: () => undefined },
    });
    await fails(`redis://127.0.0.1:${silent.port}`);
    silent.stop(true);
  });

  test("what failed before the first connection is not sent with it", async () => {
    const hostname = "127.0.0.1";
    const reserved = Bun.listen({ hostname, port: 0, socket: { data: () => undefined } });
    const { port } = reserved;
    reserved.stop(true);
    const store = createRedisLimitStore({
      url: `redis://${hostname}:${port}`,
      clock: systemClock,
      commandMsMax: 50,
    });
    for (let round = 0; round < 3; round += 1) {
      await store.exchange(claimsOf("stale"), 1000).catch(() => undefined);
    }
    let received = "";
    const { promise: cameBack, resolve } = Promise.withResolvers<void>();
    const server = Bun.listen({
      hostname,
      port,
      socket: {
        data: (socket, bytes) => {
          received += bytes.toString();
          socket.write("+OK\r\n");
          if (received.includes("fresh")) {
            resolve();
          }
        },
      },
    });
    let isBack = false;
    const askOn = async () => {
      while (!isBack) {
        await store.exchange(claimsOf("fresh"), 1000).catch(() => Bun.sleep(10));
      }
    };
    const asking = askOn();
    await cameBack;
    isBack = true;
    await asking;
    expect(received).not.toContain("stale");
    await store.close();
    server.stop(true);
  });
});
