import { describe, expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { type Key, KeySchema } from "@warmpath/proto/state";
import { createMemoryBus, createMetrics, keysRevokedSubject } from "@warmpath/runtime";
import { loadConfig, WarmpathError } from "@warmpath/runtime/base";
import { createManualClock } from "@warmpath/runtime/testing";
import { createAuthenticator } from "./authenticate.ts";
import { gatewayOptions } from "./config.ts";
import { createGatewayMetrics } from "./metrics.ts";

async function setUp(env: Record<string, string> = {}) {
  const bus = createMemoryBus();
  const clock = createManualClock();
  const key = create(KeySchema, { keyId: "key_1", tenant: "acme", user: "ada" });
  const state = { lookUps: 0, find: async (): Promise<Key | undefined> => key };
  const authenticator = await createAuthenticator({
    lookUp: (hash) => {
      expect(hash.byteLength).toBe(32);
      state.lookUps += 1;
      return state.find();
    },
    bus,
    clock,
    metrics: createGatewayMetrics(createMetrics("gateway")),
    config: loadConfig(gatewayOptions, { env }),
  });
  const tryKey = async (secret: string) => {
    try {
      const headers = new Headers({ authorization: `Bearer ${secret}` });
      return (await authenticator.authenticate(headers)).principal.tenant;
    } catch (thrown) {
      return WarmpathError.from(thrown).reason;
    }
  };
  const revoke = async () => {
    bus.publish(keysRevokedSubject(), Buffer.from("key_1"));
    await Bun.sleep(5);
  };
  return { clock, key, state, tryKey, revoke };
}

describe("authenticator", () => {
  test("asks once and remembers for a bounded time", async () => {
    const { clock, state, tryKey } = await setUp();
    expect([await tryKey("k"), await tryKey("k")]).toEqual(["acme", "acme"]);
    expect(state.lookUps).toBe(1);
    await clock.advance(30_001);
    await tryKey("k");
    expect(state.lookUps).toBe(2);
  });

  test("shares one look-up among requests that need it at the same time", async () => {
    const { state, tryKey } = await setUp();
    await Promise.all([tryKey("k"), tryKey("k"), tryKey("k")]);
    expect(state.lookUps).toBe(1);
  });

  test("remembers for a shorter time that a key is unknown", async () => {
    const { clock, key, state, tryKey } = await setUp();
    state.find = async () => undefined;
    expect(await tryKey("k")).toBe("rejected-unauthenticated");
    state.find = async () => key;
    expect(await tryKey("k")).toBe("rejected-unauthenticated");
    await clock.advance(5_001);
    expect(await tryKey("k")).toBe("acme");
  });

  test("forgets a key as soon as the bus says that it was revoked", async () => {
    const { state, tryKey, revoke } = await setUp();
    await tryKey("k");
    state.find = async () => undefined;
    await revoke();
    expect(await tryKey("k")).toBe("rejected-unauthenticated");
  });

  test("does not remember a look-up that a revocation overtook", async () => {
    const { key, state, tryKey, revoke } = await setUp();
    const answer = Promise.withResolvers<Key | undefined>();
    state.find = () => answer.promise;
    const trying = tryKey("k");
    await revoke();
    answer.resolve(key);
    expect(await trying).toBe("acme");
    state.find = async () => undefined;
    expect(await tryKey("k")).toBe("rejected-unauthenticated");
  });

  test("says that nobody can tell, not that the key is wrong, and does not remember it", async () => {
    const { key, state, tryKey } = await setUp();
    state.find = async () => {
      throw new Error("down");
    };
    expect(await tryKey("k")).toBe("rejected-unavailable");
    state.find = async () => key;
    expect(await tryKey("k")).toBe("acme");
  });

  test("bounds the look-ups under way and the keys remembered", async () => {
    const { key, state, tryKey } = await setUp({
      WARMPATH_GATEWAY_KEY_LOOKUPS_MAX: "2",
      WARMPATH_GATEWAY_KEY_CACHE_ENTRIES_MAX: "2",
    });
    const answer = Promise.withResolvers<Key | undefined>();
    state.find = () => answer.promise;
    const trying = [tryKey("a"), tryKey("b")];
    expect(await tryKey("c")).toBe("rejected-queue-full");
    answer.resolve(key);
    expect(await Promise.all(trying)).toEqual(["acme", "acme"]);
    await tryKey("c");
    await tryKey("a");
    expect(state.lookUps).toBe(4);
  });
});
