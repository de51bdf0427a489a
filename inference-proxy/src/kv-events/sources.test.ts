import { describe, expect, test } from "bun:test";
import { parseConfiguredSources, parseListedSources } from "./sources.ts";

/** As vLLM 0.32.0 lists a rank. */
const listed = (endpoint: string, replay: string | null = null, topic = "") => ({
  enable_kv_cache_events: true,
  publisher: "zmq",
  endpoint,
  replay_endpoint: replay,
  buffer_steps: 10_000,
  hwm: 100_000,
  max_queue_size: 100_000,
  topic,
});

describe("sources that an engine lists", () => {
  test("are one for each rank, with the replay socket and the topic", () => {
    const answer = {
      "0": listed("tcp://127.0.0.1:15560", "tcp://127.0.0.1:15570"),
      "1": listed("tcp://127.0.0.1:15561", "tcp://127.0.0.1:15571", "kv@tiny"),
    };
    expect(parseListedSources(answer, "10.0.0.7")).toEqual([
      {
        rank: 0,
        endpoint: "tcp://127.0.0.1:15560",
        mode: "either",
        replayEndpoint: "tcp://127.0.0.1:15570",
        topic: "",
      },
      {
        rank: 1,
        endpoint: "tcp://127.0.0.1:15561",
        mode: "either",
        replayEndpoint: "tcp://127.0.0.1:15571",
        topic: "kv@tiny",
      },
    ]);
  });

  test("that listen everywhere are at the replica's host, where we connect", () => {
    const placed = (endpoint: string) => {
      const [source] = parseListedSources({ "0": listed(endpoint) }, "engine-3");
      return [source?.endpoint, source?.mode];
    };
    expect(placed("tcp://*:5557")).toEqual(["tcp://engine-3:5557", "connect"]);
    expect(placed("tcp://[::]:5557")).toEqual(["tcp://engine-3:5557", "connect"]);
    expect(placed("tcp://0.0.0.0:5557")).toEqual(["tcp://engine-3:5557", "either"]);
    expect(placed("ipc:///run/kv.sock")).toEqual(["ipc:///run/kv.sock", "connect"]);
  });

  test("are none where the answer is something else, or events are off", () => {
    const off = { ...listed("tcp://*:1"), enable_kv_cache_events: false };
    const answers = [null, [], "x", {}, { "0": null }, { x: listed("tcp://*:1") }, { "0": off }];
    for (const answer of [...answers, { "0": listed("inproc://x") }, { "0": { endpoint: 5 } }]) {
      expect(parseListedSources(answer, "h")).toEqual([]);
    }
  });
});

describe("configured sources", () => {
  const replicas = ["a:8000", "b:8000/path"];

  test("belong to the replica named before them, with ranks at ports in a row", () => {
    const items = ["a:8000=tcp://*:5557", "replay=tcp://*:6557", "topic=kv", "ranks=2"];
    const found = parseConfiguredSources([...items, "b:8000/path=ipc:///b.sock"], replicas);
    const rank = (number: number) => ({
      rank: number,
      endpoint: `tcp://a:${5557 + number}`,
      mode: "connect",
      replayEndpoint: `tcp://a:${6557 + number}`,
      topic: "kv",
    });
    expect(found.get("a:8000")).toEqual([rank(0), rank(1)] as never);
    expect(found.get("b:8000/path")).toEqual([
      { rank: 0, endpoint: "ipc:///b.sock", mode: "connect", replayEndpoint: undefined, topic: "" },
    ]);
  });

  test.each([
    "c:8000=tcp://*:1",
    "a:8000=http://x",
    "a:8000=tcp://x:1,colour=red",
    "a:8000=tcp://x:1,ranks=0",
    "replay=tcp://x:1",
    "a:8000=tcp://x:1,replay=x",
  ])("that cannot be meant are refused: %s", (text) => {
    expect(() => parseConfiguredSources(text.split(","), replicas)).toThrow("WARMPATH_KV_EVENTS");
  });
});
