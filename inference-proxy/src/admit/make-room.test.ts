import { describe, expect, test } from "bun:test";
import { createWaitQueue, type Lane } from "./index.ts";

/* Goal: whoever fills the queue keeps nobody else out of it. Method: floods, and who comes after. */

function setUp(requestsMax: number, bytesMax = 1e9) {
  const out: string[] = [];
  const limits = { requestsMax, bytesMax, passedOverMax: 8 };
  const queue = createWaitQueue<string>(limits, (item) => out.push(item));
  let joined = 0;
  const join = (tenant: string, { lane = "standard" as Lane, bytes = 1, count = 1 } = {}) => {
    let accepted = 0;
    for (let index = 0; index < count; index += 1) {
      joined += 1;
      const item = `${tenant}${index}`;
      const place = queue.join({ rank: joined, group: "m", lane, tenant, bytes, item });
      accepted += place === undefined ? 0 : 1;
    }
    return accepted;
  };
  const waiting = () => Object.fromEntries(queue.lines().map((line) => [line.lane, line.waiting]));
  return { queue, join, out, waiting };
}

describe("a full queue", () => {
  test("of one tenant has room for others, up to an even share; its last ones leave", () => {
    const { queue, join, out } = setUp(8);
    expect(join("noisy", { count: 20 })).toBe(8);
    expect(join("quiet", { count: 2 })).toBe(2);
    expect(out).toEqual(["noisy7", "noisy6"]);
    expect(join("quiet", { count: 20 })).toBe(2);
    expect(join("noisy")).toBe(0);
    expect(queue.length).toBe(8);
    expect(join("third")).toBe(1);
  });

  test("of batch makes room for better lanes, down to its floor, and these for batch up to it", () => {
    const { join, waiting } = setUp(16);
    join("b", { lane: "batch", count: 16 });
    join("i", { lane: "interactive", count: 30 });
    expect(waiting()).toEqual({ interactive: 14, batch: 2 });
    const other = setUp(16);
    other.join("i", { lane: "interactive", count: 16 });
    expect(other.join("b", { lane: "batch", count: 10 })).toBe(2);
    expect(other.waiting()).toEqual({ interactive: 14, batch: 2 });
    // The standard lane has a floor of its own.
    expect(other.join("s", { count: 10 })).toBe(2);
    expect(other.waiting()).toEqual({ interactive: 12, standard: 2, batch: 2 });
  });

  test("in bytes is the tenant's who has most bytes; what does not fit moves nobody", () => {
    const { queue, join, out } = setUp(100, 100);
    join("small", { count: 10 });
    join("large", { bytes: 30, count: 3 });
    expect(join("new", { bytes: 40 })).toBe(1);
    expect(out).toEqual(["large2", "large1"]);
    expect(queue.bytes).toBe(80);
    // Its own share would be larger than anybody's.
    expect(join("huge", { bytes: 90 })).toBe(0);
    expect(join("never", { bytes: 101 })).toBe(0);
    expect(out.length).toBe(2);
    expect([queue.length, queue.bytes]).toEqual([12, 80]);
  });

  test("holds what its limits say, whoever comes in whatever order", () => {
    const { queue, join, out } = setUp(20, 200);
    let accepted = 0;
    for (let step = 0; step < 2000; step += 1) {
      const lane = (["interactive", "standard", "batch"] as const)[(step * 7) % 3] ?? "batch";
      accepted += join(`t${(step * step) % 5}`, { lane, bytes: 1 + ((step * 13) % 40) });
      expect(queue.length).toBeLessThanOrEqual(20);
      expect(queue.bytes).toBeLessThanOrEqual(200);
      expect(queue.length).toBe(accepted - out.length);
    }
    queue.clear();
    expect([queue.length, queue.bytes]).toEqual([0, 0]);
  });
});
