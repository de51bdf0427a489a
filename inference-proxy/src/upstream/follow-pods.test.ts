import { describe, expect, test } from "bun:test";
import { silentLogger } from "@warmpath/runtime/base";
import { createManualClock } from "@warmpath/runtime/testing";
import { lastingRefusalOf } from "../pick/eligible.ts";
import { type LookUp, startPodFollower, systemLookUp } from "./follow-pods.ts";
import { parseUpstreams, sharedNameOf } from "./pod-places.ts";
import { createPool, type Pool } from "./pool.ts";

/*
 * Goal: the pods behind a name are replicas each by itself, however they come and go, and whatever the
 * name server says or does not say.
 */

const limits = { intervalMs: 100, timeoutMs: 1000 };

/** Two upstreams: a name with three places, and an engine at an address of its own. */
function start(answer: { ips: readonly string[] | Error }) {
  const clock = createManualClock();
  const addresses = parseUpstreams(["dns://vllm.svc:8000", "http://solid:1"], undefined, 3);
  const pool = createPool({ addresses, inFlightMax: 1 });
  const said: string[] = [];
  let moves = 0;
  const asked: string[] = [];
  const lookUp: LookUp = async (host) => {
    asked.push(host);
    if (answer.ips instanceof Error) {
      throw answer.ips;
    }
    return answer.ips;
  };
  const follower = startPodFollower({
    pool,
    limits,
    clock,
    lookUp,
    log: { ...silentLogger, warn: (sentence) => said.push(sentence) },
    onMove: () => {
      moves += 1;
    },
  });
  return {
    pool,
    clock,
    said,
    asked,
    follower,
    get moves() {
      return moves;
    },
  };
}

function placesOf(pool: Pool): readonly string[] {
  return pool.replicas.map(
    ({ address: { name, pod }, hold: { isLeaving } }) =>
      `${name} ${pod?.ip ?? "-"}${isLeaving ? " leaving" : ""}`,
  );
}

describe("pods behind a name", () => {
  test("each that is there has a place, with an address of its own and the name in its host field", async () => {
    const { pool, follower, asked } = start({ ips: ["10.0.0.9", "10.0.0.2"] });
    await follower.firstRound;
    expect(asked).toEqual(["vllm.svc"]);
    expect(placesOf(pool)).toEqual([
      "vllm.svc:8000~0 10.0.0.2",
      "vllm.svc:8000~1 10.0.0.9",
      "vllm.svc:8000~2 -",
      "solid:1 -",
    ]);
    expect(pool.find("vllm.svc:8000~0")?.address).toMatchObject({
      baseUrl: "http://10.0.0.2:8000",
      origin: { host: "10.0.0.2", port: 8000, authority: "vllm.svc:8000" },
    });
    expect(pool.endpoints.map(({ healthy }) => healthy)).toEqual([false, false, false, false]);
    follower.close();
  });

  test("one that is not named any more gets nothing new, and leaves when its probes fail", async () => {
    const answer = { ips: ["10.0.0.1", "10.0.0.2"] };
    const { pool, clock, follower } = start(answer);
    await follower.firstRound;
    pool.update("vllm.svc:8000~0", { healthy: true });
    pool.update("vllm.svc:8000~1", { healthy: true });
    answer.ips = ["10.0.0.2"];
    await clock.advance(100);
    expect(placesOf(pool)[0]).toBe("vllm.svc:8000~0 10.0.0.1 leaving");
    expect(pool.endpoints[0]).toMatchObject({ healthy: true, isDraining: true });
    // It was only slow to say that it is ready: nothing that was known of it is lost.
    answer.ips = ["10.0.0.1", "10.0.0.2"];
    await clock.advance(100);
    expect(pool.endpoints[0]).toMatchObject({ healthy: true, isDraining: false });
    answer.ips = ["10.0.0.2"];
    await clock.advance(100);
    pool.update("vllm.svc:8000~0", { healthy: false });
    await clock.advance(100);
    expect(placesOf(pool)[0]).toBe("vllm.svc:8000~0 -");
    follower.close();
  });

  test("one that is replaced goes on until the one that is named instead has answered", async () => {
    const answer = { ips: ["10.0.0.1"] };
    const { pool, clock, follower } = start(answer);
    await follower.firstRound;
    pool.update("vllm.svc:8000~0", { healthy: true });
    answer.ips = ["10.0.0.2"];
    await clock.advance(100);
    expect(placesOf(pool)[1]).toBe("vllm.svc:8000~1 10.0.0.2");
    expect(pool.endpoints[0]).toMatchObject({ healthy: true, isDraining: false });
    pool.update("vllm.svc:8000~1", { healthy: true });
    await clock.advance(100);
    expect(placesOf(pool)[0]).toBe("vllm.svc:8000~0 10.0.0.1 leaving");
    follower.close();
  });

  test("a new one takes the place that was free for longest, and begins as nobody's heir", async () => {
    const answer = { ips: ["10.0.0.1"] };
    const started = start(answer);
    const { pool, clock, follower } = started;
    await follower.firstRound;
    pool.update("vllm.svc:8000~0", {
      healthy: true,
      kind: "vllm",
      models: [{ id: "tiny", contextTokens: 0 }],
    });
    pool.hold("vllm.svc:8000~0", { isDraining: true });
    pool.update("vllm.svc:8000~0", { healthy: false });
    answer.ips = ["10.0.0.7"];
    await clock.advance(100);
    expect(placesOf(pool).slice(0, 3)).toEqual([
      "vllm.svc:8000~0 -",
      "vllm.svc:8000~1 10.0.0.7",
      "vllm.svc:8000~2 -",
    ]);
    // Its callers are told that no replica is there, not that the model does not exist.
    expect(pool.endpoints[0]).toMatchObject({ models: new Set(["tiny"]), isDraining: false });
    expect(pool.endpoints[1]).toMatchObject({ models: new Set(), isDraining: false });
    expect(pool.replicas.map(({ address }) => sharedNameOf(address))).toEqual([
      "vllm.svc:8000~0",
      "10.0.0.7:8000",
      "vllm.svc:8000~2",
      "solid:1",
    ]);
    expect(started.moves).toBe(2);
    follower.close();
  });

  test("a name server that fails, is late, or forgets for a moment takes nobody away", async () => {
    const answer: { ips: readonly string[] | Error } = { ips: ["10.0.0.1"] };
    const { pool, clock, follower, said } = start(answer);
    await follower.firstRound;
    answer.ips = new Error("SERVFAIL");
    await clock.advance(100);
    await clock.advance(100);
    expect(said).toEqual(["the pods of an upstream cannot be looked up: SERVFAIL"]);
    answer.ips = [];
    for (let round = 0; round < 4; round += 1) {
      await clock.advance(100);
    }
    expect(placesOf(pool)[0]).toBe("vllm.svc:8000~0 10.0.0.1");
    // Said often enough it is true: all of them were scaled away.
    await clock.advance(100);
    expect(placesOf(pool)[0]).toBe("vllm.svc:8000~0 -");
    follower.close();
  });

  test("where the name leads to nobody, those that answer go on, since there is nobody better", async () => {
    const answer: { ips: readonly string[] } = { ips: ["10.0.0.1", "10.0.0.2"] };
    const { pool, clock, follower } = start(answer);
    await follower.firstRound;
    pool.update("vllm.svc:8000~0", { healthy: true });
    answer.ips = [];
    for (let round = 0; round < 6; round += 1) {
      await clock.advance(100);
    }
    expect(placesOf(pool).slice(0, 2)).toEqual(["vllm.svc:8000~0 10.0.0.1", "vllm.svc:8000~1 -"]);
    expect(pool.endpoints[0]).toMatchObject({ healthy: true, isDraining: false });
    follower.close();
  });

  test("more pods than places are said once, and wait", async () => {
    const answer = { ips: ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"] };
    const { pool, clock, follower, said } = start(answer);
    await follower.firstRound;
    await clock.advance(100);
    expect(placesOf(pool)[2]).toBe("vllm.svc:8000~2 10.0.0.3");
    expect(said).toHaveLength(1);
    expect(said[0]).toContain("WARMPATH_UPSTREAM_PODS_MAX");
    follower.close();
  });

  test("places that are free serve what the others do, and nothing else", async () => {
    const { pool, clock, follower } = start({ ips: ["10.0.0.1"] });
    await follower.firstRound;
    expect(lastingRefusalOf(pool.endpoints[2]!, "other")).toBe("unhealthy");
    pool.update("vllm.svc:8000~0", { healthy: true, models: [{ id: "tiny", contextTokens: 8 }] });
    await clock.advance(100);
    expect(lastingRefusalOf(pool.endpoints[2]!, "other")).toBe("unknown-model");
    expect(lastingRefusalOf(pool.endpoints[2]!, "tiny")).toBe("unhealthy");
    pool.update("vllm.svc:8000~0", { models: [{ id: "tiny", contextTokens: 4 }] });
    await clock.advance(100);
    expect(pool.endpoints[2]?.contextTokens?.get("tiny")).toBe(4);
    follower.close();
  });

  test("two upstreams of one name, with different paths, have each pod in a place of each", async () => {
    const addresses = parseUpstreams(["dns://p.svc:1/a", "dns://p.svc:1/b"], undefined, 1);
    const pool = createPool({ addresses, inFlightMax: 1 });
    const follower = startPodFollower({
      pool,
      limits,
      clock: createManualClock(),
      log: silentLogger,
      onMove: () => undefined,
      lookUp: async () => ["10.0.0.1"],
    });
    await follower.firstRound;
    expect(pool.replicas.map(({ address: { baseUrl } }) => baseUrl)).toEqual([
      "http://10.0.0.1:1/a",
      "http://10.0.0.1:1/b",
    ]);
    follower.close();
  });

  describe("that several upstreams lead to is one replica", () => {
    const startBoth = (places: number, leads: Record<string, readonly string[]>) => {
      const clock = createManualClock();
      const urls = ["dns://all.svc:8000", "dns://some.svc:8000", "http://10.0.0.9:8000"];
      const pool = createPool({
        addresses: parseUpstreams(urls, undefined, places),
        inFlightMax: 1,
      });
      const said: unknown[] = [];
      const follower = startPodFollower({
        pool,
        limits,
        clock,
        log: { ...silentLogger, warn: (sentence, fields) => said.push([sentence, fields]) },
        onMove: () => undefined,
        lookUp: async (host) => leads[host] ?? [],
      });
      return { pool, clock, said, follower };
    };
    const isBehindTwo = "a pod is behind two upstreams: it counts once, for the one that has it";

    test("of the name that is listed first, or of its very address; it is said once, with both", async () => {
      const leads: Record<string, readonly string[]> = {
        "all.svc": [],
        "some.svc": ["10.0.0.2", "10.0.0.9"],
      };
      const { pool, clock, said, follower } = startBoth(2, leads);
      await follower.firstRound;
      expect(placesOf(pool).slice(2)).toEqual([
        "some.svc:8000~0 10.0.0.2",
        "some.svc:8000~1 -",
        "10.0.0.9:8000 -",
      ]);
      expect(said).toEqual([
        [isBehindTwo, { upstream: "some.svc:8000", replica: "10.0.0.9:8000", ip: "10.0.0.9" }],
      ]);
      pool.update("some.svc:8000~0", { healthy: true, models: [{ id: "tiny", contextTokens: 8 }] });
      leads["all.svc"] = ["10.0.0.1", "10.0.0.2"];
      await clock.advance(100);
      await clock.advance(100);
      expect(placesOf(pool)).toEqual([
        "all.svc:8000~0 10.0.0.1",
        "all.svc:8000~1 10.0.0.2",
        "some.svc:8000~0 -",
        "some.svc:8000~1 -",
        "10.0.0.9:8000 -",
      ]);
      expect(said.slice(1)).toEqual([
        [isBehindTwo, { upstream: "some.svc:8000", replica: "all.svc:8000~1", ip: "10.0.0.2" }],
      ]);
      follower.close();
    });

    test("goes to the other name when the first does not lead to it any more", async () => {
      const leads: Record<string, readonly string[]> = {
        "all.svc": ["10.0.0.1", "10.0.0.2"],
        "some.svc": ["10.0.0.2"],
      };
      const { pool, clock, follower } = startBoth(2, leads);
      await follower.firstRound;
      pool.update("all.svc:8000~0", { healthy: true });
      pool.update("all.svc:8000~1", { healthy: true });
      leads["all.svc"] = ["10.0.0.1"];
      await clock.advance(100);
      await clock.advance(100);
      expect(placesOf(pool).slice(0, 4)).toEqual([
        "all.svc:8000~0 10.0.0.1",
        "all.svc:8000~1 -",
        "some.svc:8000~0 10.0.0.2",
        "some.svc:8000~1 -",
      ]);
      follower.close();
    });

    test("stays with the second name while the first has no free place", async () => {
      const leads = { "all.svc": ["10.0.0.1", "10.0.0.2"], "some.svc": ["10.0.0.2"] };
      const { pool, clock, follower } = startBoth(1, leads);
      await follower.firstRound;
      await clock.advance(100);
      await clock.advance(100);
      expect(placesOf(pool).slice(0, 2)).toEqual([
        "all.svc:8000~0 10.0.0.1",
        "some.svc:8000~0 10.0.0.2",
      ]);
      follower.close();
    });

    test("a name whose pods all count for another serves their models, and no other", async () => {
      const leads = { "all.svc": ["10.0.0.1"], "some.svc": ["10.0.0.1"] };
      const { pool, clock, follower } = startBoth(1, leads);
      await follower.firstRound;
      pool.update("all.svc:8000~0", { healthy: true, models: [{ id: "tiny", contextTokens: 8 }] });
      await clock.advance(100);
      expect(lastingRefusalOf(pool.endpoints[1]!, "tiny")).toBe("unhealthy");
      expect(lastingRefusalOf(pool.endpoints[1]!, "other")).toBe("unknown-model");
      follower.close();
    });
  });

  test("what is no name is refused", () => {
    for (const url of ["dns://10.0.0.1:8000", "dns://", "dns://[::1]:8000"]) {
      expect(() => parseUpstreams([url], undefined, 2)).toThrow(/upstream/);
    }
  });
});

test("the system's resolver finds this machine by its name, once", async () => {
  expect(await systemLookUp("localhost")).toEqual(["127.0.0.1"]);
});
