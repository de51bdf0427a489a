import { describe, expect, test } from "bun:test";
import { systemClock } from "@warmpath/runtime/base";
import { createManualClock } from "@warmpath/runtime/testing";
import { chunk, done, startFakeEngine, startTestProxy, streamOf } from "../testing/index.ts";
import { createFlusher } from "./flusher.ts";

function body() {
  const counted = {
    flushes: 0,
    flush: () => {
      counted.flushes += 1;
    },
  };
  return counted;
}

describe("createFlusher()", () => {
  test("by default nothing waits", () => {
    const stream = body();
    const flusher = createFlusher({ clock: systemClock, coalesceMs: 0 });
    flusher.flush(stream);
    flusher.flush(stream);
    expect(stream.flushes).toBe(2);
  });

  test("what comes within the time leaves together, of all streams by one timer", async () => {
    const clock = createManualClock();
    const flusher = createFlusher({ clock, coalesceMs: 20 });
    const [one, two] = [body(), body()];
    flusher.flush(one);
    flusher.flush(two);
    await clock.advance(10);
    flusher.flush(one);
    expect(clock.sleeperCount).toBe(1);
    await clock.advance(10);
    expect([one.flushes, two.flushes, clock.sleeperCount]).toEqual([1, 1, 0]);
    flusher.flush(one);
    await clock.advance(20);
    expect([one.flushes, two.flushes]).toEqual([2, 1]);
  });
});

test("a stream whose tokens wait for each other has all of them, its first at once", async () => {
  const events = Array.from({ length: 20 }, (_, index) => chunk({ content: String(index) }));
  const all = [...events, chunk({}, "stop"), done];
  const engine = startFakeEngine();
  engine.answer = () => streamOf(all, { pauseMs: 1 });
  const proxy = await startTestProxy([engine], { coalesceMs: 1000 });
  const ask = { model: "tiny", messages: [{ role: "user", content: "hi" }], stream: true };
  const response = await proxy.post("/v1/chat/completions", ask);
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  const pieces: string[] = [];
  for (let read = await reader?.read(); read?.done === false; read = await reader?.read()) {
    pieces.push(read.value);
  }
  expect(pieces.join("")).toBe(all.join(""));
  expect(pieces[0]).toBe(events[0] ?? "");
  await proxy.close();
  await engine.stop();
});
