import { expect, test } from "bun:test";
import { seededRandom } from "@warmpath/runtime/base";
import { Placer } from "../pick/index.ts";
import { createCacheNews } from "./cache-news.ts";

test("an engine that has emptied its cache has no sessions at home, and holds nothing", () => {
  const placer = new Placer({ names: ["a"], random: seededRandom(1) });
  const news = createCacheNews(placer, ["a"]);
  const endpoints = [
    {
      name: "a",
      healthy: true,
      unhealthyReason: "",
      models: new Set(["m"]),
      inFlightMax: 10,
      engineRunning: undefined,
      engineWaiting: undefined,
      kvTokens: 10_000,
    },
  ];
  const prompt = {
    keys: [1, 2, 3, 4],
    chunks: 4,
    chunkTokens: 100,
    promptTokens: 400,
    isExact: false,
    sessionId: "s",
    parentId: undefined,
  };
  const placed = placer.place(endpoints, { model: "m", excluded: new Set(), prompt }, 0);
  if (!("booking" in placed)) {
    throw new Error(placed.reason);
  }
  const usage = { promptTokens: 400, cachedTokens: 0 };
  placed.booking.release({ usage, rest: "bash" }, 10);
  expect(placer.isAdmitted(prompt)).toBe(true);
  expect(placer.gate.usedTokens(0)).toBeGreaterThan(0);
  expect(placer.uncachedTokens(prompt)).toBe(1);
  news.cleared("elsewhere");
  expect(placer.isAdmitted(prompt)).toBe(true);
  news.cleared("a");
  expect(placer.isAdmitted(prompt)).toBe(false);
  expect(placer.gate.usedTokens(0)).toBe(0);
  expect(placer.uncachedTokens(prompt)).toBe(400);
});
