import { describe, expect, test } from "bun:test";
import { noUsage } from "../upstream/usage.ts";
import { createCostAccounts } from "./cost-accounts.ts";
import { costOf, parsePrices } from "./prices.ts";
import type { CallRequest } from "./types.ts";

describe("costOf()", () => {
  const usage = {
    inputTokens: 100,
    cachedInputTokens: 60,
    cacheWriteTokens: 10,
    outputTokens: 50,
    reasoningTokens: 20,
  };

  test("charges each kind of token its price, and parts that have none that of the whole", () => {
    const prices = parsePrices(["a=10/1/20", "b=10/1/20/30/12.5"]);
    expect(costOf(prices, "a", usage)).toBe(40n * 10n + 60n + 50n * 20n);
    expect(costOf(prices, "b", usage)).toBe(30n * 10n + 60n + 125n + 30n * 20n + 20n * 30n);
    expect(costOf(prices, "unknown", usage)).toBe(0n);
  });

  test("keeps the decimals of cheap models and rounds once, up", () => {
    const prices = parsePrices(["org/cheap=v2=0.001/0.5/37.5"]);
    expect(costOf(prices, "org/cheap=v2", { ...noUsage, inputTokens: 1 })).toBe(1n);
    expect(costOf(prices, "org/cheap=v2", { ...noUsage, inputTokens: 3000 })).toBe(3n);
    expect(costOf(prices, "org/cheap=v2", { ...noUsage, outputTokens: 2 })).toBe(75n);
  });

  test("a part that is said to be larger than the whole is the whole", () => {
    const prices = parsePrices(["a=10/1/20/30"]);
    const odd = { ...noUsage, inputTokens: 5, cachedInputTokens: 9, cacheWriteTokens: 9 };
    expect(costOf(prices, "a", odd)).toBe(5n);
    expect(costOf(prices, "a", { ...noUsage, outputTokens: 2, reasoningTokens: 9 })).toBe(60n);
  });

  test("names every entry that is no price", () => {
    expect(() => parsePrices(["a=1/2", "b=1/2/x", "=1/2/3", "c=1/2/3"])).toThrow(
      /"a=1\/2" is not .*"b=1\/2\/x" is not .*"=1\/2\/3" is not/,
    );
  });
});

describe("createCostAccounts()", () => {
  const request = (over: object) =>
    ({
      caller: { tenant: "acme", user: "alice", keyId: "k", requestsPerMinute: 0 },
      prompt: { session: { id: "" } },
      sessionId: "s",
      ...over,
    }) as unknown as CallRequest;

  test("adds up by session, agent, user and tenant, each tenant's apart", () => {
    const { add } = createCostAccounts({ accountsMax: 10 });
    expect(add(request({}), 5n)).toEqual({ session: 5n, agent: undefined, user: 5n, tenant: 5n });
    expect(add(request({ sessionId: "t", agent: "x" }), 7n)).toEqual({
      session: 7n,
      agent: 7n,
      user: 12n,
      tenant: 12n,
    });
    const globex = { tenant: "globex", user: "alice", keyId: "k", requestsPerMinute: 0 };
    expect(add(request({ caller: globex }), 1n)).toMatchObject({ session: 1n, tenant: 1n });
  });
});
