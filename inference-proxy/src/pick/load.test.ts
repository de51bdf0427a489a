import { describe, expect, test } from "bun:test";
import { seededRandom } from "@warmpath/runtime/base";
import { Load } from "./load.ts";

describe("Load", () => {
  test("what an engine says beyond what anybody told is somebody else's", () => {
    const load = new Load(2);
    load.book(0, 0, 0);
    load.setForeign(0, 2, 0);
    load.engineSays(0, 8, 1000);
    expect([load.allRequests[0], load.requests[0], load.isIdle(0)]).toEqual([8, 1, false]);
    load.engineSays(0, 3, 2000);
    expect([load.allRequests[0], load.isIdle(0)]).toEqual([3, true]);
    expect(load.allRequests[1]).toBe(0);
  });

  test("numbers that are too large to be true are no fewer than none", () => {
    const load = new Load(1);
    load.book(0, 0, 0);
    load.setForeign(0, 2 ** 32 - 5, 0);
    expect(load.allRequests[0]).toBeGreaterThan(1000);
    load.setForeign(0, 0, 0);
    load.engineSays(0, 2 ** 31, 1000);
    load.engineSays(0, 2 ** 31, 2000);
    load.engineSays(0, 2 ** 31, 3000);
    expect(load.allRequests[0]).toBeGreaterThan(1000);
    load.engineSays(0, 1, 4000);
    expect(load.allRequests[0]).toBe(1);
  });

  test("our own requests are never taken for others', however late the engine's word is", () => {
    const random = seededRandom(3);
    const load = new Load(1);
    const open: { end(nowMs: number): void }[] = [];
    const counts: number[] = [0];
    for (let step = 0; step < 5000; step += 1) {
      if (random.next() < 0.5) {
        open.push(load.book(0, 0, 0));
      } else {
        open.splice(Math.floor(random.next() * open.length), 1)[0]?.end(0);
      }
      counts.push(open.length);
      if (step % 20 === 0) {
        // As it was up to one round ago.
        const then = counts[Math.max(0, counts.length - 1 - Math.floor(random.next() * 20))] ?? 0;
        load.engineSays(0, then, step * 50);
      }
      expect(load.allRequests[0]).toBe(open.length);
    }
  });

  test("an engine that says nothing more is believed for three rounds, and a moment at least", () => {
    const load = new Load(2);
    load.engineSays(0, 5, 1000);
    load.engineSays(0, 5, 11_000);
    load.engineSays(1, 5, 11_000);
    load.engineSays(1, 5, 11_500);
    load.forgetOld(14_499);
    expect(Array.from(load.allRequests)).toEqual([5, 5]);
    load.forgetOld(14_500);
    expect(Array.from(load.allRequests)).toEqual([5, 0]);
    load.forgetOld(41_000);
    expect(Array.from(load.allRequests)).toEqual([0, 0]);
  });

  test("prefill under way is done as far as time has passed, and what is behind it is not", () => {
    const load = new Load(1);
    const first = load.book(0, 2, 1000);
    const second = load.book(0, 3, 1500);
    expect(load.aheadSecondsAt(0, 1500)).toBe(4.5);
    // It takes longer than was thought, of which the second one knows nothing.
    expect(load.aheadSecondsAt(0, 9000)).toBe(3);
    first.firstEvent(9000);
    expect(load.aheadSecondsAt(0, 9000)).toBe(3);
    expect(load.aheadSecondsAt(0, 10_000)).toBe(2);
    load.setForeign(0, 1, 5);
    expect(load.aheadSecondsAt(0, 10_000)).toBe(7);
    load.setForeign(0, 0, 0);
    second.end(11_000);
    expect(load.aheadSecondsAt(0, 11_000)).toBe(0);
  });

  test("one that leaves before its turn, or is answered before it, takes no time from the first", () => {
    const load = new Load(1);
    load.book(0, 2, 0);
    const second = load.book(0, 1, 0);
    const third = load.book(0, 1, 0);
    second.end(500);
    third.firstEvent(800);
    expect(load.aheadSecondsAt(0, 1000)).toBe(1);
    const later = load.book(0, 4, 1000);
    expect(load.aheadSecondsAt(0, 1500)).toBe(4.5);
    later.end(1500);
    expect(load.aheadSecondsAt(0, 1500)).toBe(0.5);
  });
});
