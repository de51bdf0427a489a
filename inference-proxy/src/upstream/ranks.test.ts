import { afterEach, describe, expect, test } from "bun:test";
import { systemClock } from "@warmpath/runtime/base";
import {
  type FakeEngine,
  helloStream,
  startFakeEngine,
  startTestProxy,
  streamOf,
  type TestProxy,
} from "../testing/index.ts";
import { sendCanary } from "./canary.ts";
import { createPool } from "./pool.ts";
import { splitRanks } from "./ranks.ts";
import { parseReplicaAddresses } from "./replica.ts";

const opened: (FakeEngine | TestProxy)[] = [];

afterEach(async () => {
  for (const each of opened.splice(0).reverse()) {
    await ("stop" in each ? each.stop() : each.close());
  }
});

describe("data-parallel ranks", () => {
  test("an upstream that has several is as many replicas; others stay what they are", () => {
    const addresses = parseReplicaAddresses(["http://a:1", "http://b:1"], undefined);
    const split = splitRanks(addresses, ["b:1=2"]);
    expect(split.map(({ name, baseUrl, rank }) => [name, baseUrl, rank])).toEqual([
      ["a:1", "http://a:1", undefined],
      ["b:1#0", "http://b:1", 0],
      ["b:1#1", "http://b:1", 1],
    ]);
    for (const wrong of ["c:1=2", "b:1=0", "b:1=x", "b:1"]) {
      expect(() => splitRanks(addresses, [wrong])).toThrow("WARMPATH_DATA_PARALLEL_RANKS");
    }
  });

  test("each request names the rank that was chosen, and a conversation stays with its rank", async () => {
    const engine = startFakeEngine();
    opened.push(engine);
    engine.answer = () => streamOf(helloStream);
    const proxy = await startTestProxy([engine], { dataParallelRanks: [`${engine.name}=2`] });
    opened.push(proxy);
    const open: Response[] = [];
    for (let turn = 0; turn < 3; turn += 1) {
      for (let session = 0; session < 4; session += 1) {
        const content = `${"word ".repeat(600)} of ${session}`;
        const messages = [
          { role: "system", content: `${session} ${content}` },
          ...Array.from({ length: turn }, (_, index) => ({ role: "user", content: `${index}` })),
          { role: "user", content: "go on" },
        ];
        const headers = { "x-data-parallel-rank": "7" };
        const body = { model: "tiny", stream: true, user: `s${session}`, messages };
        const answer = await proxy.post("/v1/chat/completions", body, { headers });
        expect(answer.headers.get("x-warmpath-replica")).toMatch(/#[01]$/);
        open.push(answer);
      }
      await Promise.all(open.splice(0).map((answer) => answer.text()));
    }
    const rankOf = new Map<string, Set<string | null>>();
    for (const { headers, body } of engine.seen) {
      const { user } = JSON.parse(body) as { user: string };
      rankOf.set(user, (rankOf.get(user) ?? new Set()).add(headers.get("x-data-parallel-rank")));
    }
    const ranks = [...rankOf.values()].map((each) => [...each]);
    expect(ranks.map((each) => each.length)).toEqual([1, 1, 1, 1]);
    expect(new Set(ranks.flat())).toEqual(new Set(["0", "1"]));
  });

  test("a canary asks the rank that is to come back, not any that is well", async () => {
    const engine = startFakeEngine();
    opened.push(engine);
    engine.answer = ({ headers }) =>
      new Response(null, { status: headers.get("x-data-parallel-rank") === "1" ? 500 : 200 });
    const addresses = splitRanks(parseReplicaAddresses([engine.url], undefined), [
      `${engine.name}=2`,
    ]);
    const pool = createPool({ addresses, inFlightMax: 1 });
    const means = { clock: systemClock, signal: new AbortController().signal };
    const answers = pool.replicas.map((each) => sendCanary(each, { canaryTimeoutMs: 5000 }, means));
    expect(await Promise.all(answers)).toEqual([true, false]);
  });
});
