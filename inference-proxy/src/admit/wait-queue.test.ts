import { describe, expect, test } from "bun:test";
import { createWaitQueue, type Lane } from "./index.ts";

const limits = { requestsMax: 100, bytesMax: 1000, passedOverMax: 3 };
const claim = { group: "m", tenant: "t" };

function queueOf(names: readonly (readonly [Lane, string])[]) {
  const queue = createWaitQueue<string>(limits);
  const places = names.map(([lane, item]) =>
    queue.join({ rank: 0, ...claim, lane, bytes: 1, item }),
  );
  return { queue, places };
}

/** The order in which everybody starts when places come free one by one. */
function drain(queue: ReturnType<typeof createWaitQueue<string>>): string[] {
  const order: string[] = [];
  while (queue.length > 0) {
    let free = 1;
    queue.pump((item) => {
      if (free === 0) {
        return false;
      }
      free -= 1;
      order.push(item);
      return true;
    });
  }
  return order;
}

describe("createWaitQueue()", () => {
  test("serves lanes in order, and each tenant of a lane first come first served", () => {
    const { queue } = queueOf([
      ["batch", "b1"],
      ["standard", "s1"],
      ["interactive", "i1"],
      ["interactive", "i2"],
    ]);
    expect(drain(queue)).toEqual(["i1", "i2", "s1", "b1"]);
  });

  test("one that something of its own keeps waiting keeps nobody else but its own tenant", () => {
    const queue = createWaitQueue<string>(limits);
    for (const [lane, tenant, item] of [
      ["interactive", "kept", "k1"],
      ["interactive", "kept", "k2"],
      ["interactive", "free", "f1"],
      ["standard", "free", "f2"],
      ["batch", "other", "o1"],
    ] as const) {
      queue.join({ rank: 0, group: "m", lane, tenant, bytes: 1, item });
    }
    const started: string[] = [];
    queue.pump((item) => (item.startsWith("k") ? "passed" : started.push(item) > 0));
    expect(started).toEqual(["f1", "f2", "o1"]);
    queue.pump((item) => started.push(item) > 0);
    expect(started.slice(3)).toEqual(["k1", "k2"]);
    expect([queue.length, queue.bytes]).toEqual([0, 0]);
  });

  test("tells where one who joins would stand: behind better lanes, in turn with other tenants", () => {
    const { queue } = queueOf([
      ["batch", "b1"],
      ["standard", "s1"],
      ["standard", "s2"],
      ["interactive", "i1"],
    ]);
    const position = (lane: Lane, tenant: string) => queue.position({ group: "m", lane, tenant });
    expect(position("interactive", "t")).toBe(2);
    expect(position("standard", "t")).toBe(4);
    expect(position("standard", "other")).toBe(3);
    expect(position("batch", "other")).toBe(5);
    expect(queue.position({ group: "empty", lane: "batch", tenant: "t" })).toBe(1);
    expect(queue.lines()).toEqual([
      { group: "m", lane: "interactive", waiting: 1 },
      { group: "m", lane: "standard", waiting: 2 },
      { group: "m", lane: "batch", waiting: 1 },
    ]);
  });

  test("a lane stands behind no more of the better ones than may pass it over", () => {
    const { queue } = queueOf(
      Array.from({ length: 20 }, (_, index) => ["interactive", `i${index}`] as const),
    );
    const at = () => queue.position({ group: "m", lane: "batch", tenant: "t" });
    expect(at()).toBe(4);
    queue.join({ rank: 0, ...claim, lane: "batch", bytes: 1, item: "b1" });
    expect(at()).toBe(8);
    queue.join({ rank: 0, ...claim, lane: "batch", bytes: 1, item: "b2" });
    expect(drain(queue).indexOf("b2")).toBe(7);
  });

  test("passes a lane over at most passedOverMax times", () => {
    const { queue } = queueOf([
      ["batch", "b1"],
      ...Array.from({ length: 6 }, (_, index) => ["interactive", `i${index}`] as const),
    ]);
    expect(drain(queue)).toEqual(["i0", "i1", "i2", "b1", "i3", "i4", "i5"]);
  });

  test("one who comes to a tenant's backlog waits for one request of it, not for all", () => {
    const queue = createWaitQueue<string>(limits);
    const join = (tenant: string, item: string) =>
      queue.join({ rank: 0, lane: "standard", group: "m", tenant, bytes: 1, item });
    queue.serve({ lane: "standard", group: "m", tenant: "noisy" }, 500);
    for (const item of ["n1", "n2", "n3", "n4"]) {
      join("noisy", item);
    }
    join("quiet", "q1");
    const order: string[] = [];
    while (queue.length > 0) {
      let isTaken = false;
      queue.pump((item) => {
        if (isTaken) {
          return false;
        }
        isTaken = true;
        const tenant = item.startsWith("n") ? "noisy" : "quiet";
        queue.serve({ lane: "standard", group: "m", tenant }, 500);
        order.push(item);
        return true;
      });
    }
    expect(order.indexOf("q1")).toBeLessThanOrEqual(1);
    expect(order.filter((item) => item !== "q1")).toEqual(["n1", "n2", "n3", "n4"]);
  });

  test("behind one without room the first of other tenants of its lane go, no worse lane", () => {
    const queue = createWaitQueue<string>(limits);
    for (const [lane, tenant, item] of [
      ["standard", "a", "large"],
      ["standard", "a", "behind"],
      ["standard", "b", "small"],
      ["standard", "c", "large too"],
      ["batch", "d", "batch"],
    ] as const) {
      queue.join({ rank: 0, group: "m", lane, tenant, bytes: 1, item });
    }
    const offered: string[] = [];
    queue.pump((item) => {
      offered.push(item);
      return item.startsWith("large") ? "no-room" : true;
    });
    expect(offered).toEqual(["large", "small", "large too"]);
    expect(queue.length).toBe(4);
  });

  test("looks behind a bounded number of those without room", () => {
    const queue = createWaitQueue<number>({ ...limits, bytesMax: 100 });
    for (let tenant = 0; tenant < 100; tenant += 1) {
      const its = { rank: 0, group: "m", tenant: String(tenant), bytes: 1, item: tenant };
      queue.join({ ...its, lane: "standard" });
    }
    let offers = 0;
    queue.pump(() => {
      offers += 1;
      return "no-room";
    });
    expect(offers).toBe(17);
  });

  test("refuses what does not fit, in requests and in bytes", () => {
    const small = createWaitQueue<number>({ requestsMax: 2, bytesMax: 10, passedOverMax: 3 });
    const join = (bytes: number) =>
      small.join({ rank: 0, ...claim, lane: "standard", bytes, item: bytes }) !== undefined;
    expect([join(8), join(3), join(2), join(0)]).toEqual([true, false, true, false]);
    expect([small.length, small.bytes]).toEqual([2, 10]);
  });

  test("one who leaves is never started, and leaving twice is harmless", () => {
    const { queue, places } = queueOf([
      ["standard", "a"],
      ["standard", "b"],
    ]);
    expect([places[0]?.leave(), places[0]?.leave()]).toEqual([true, false]);
    expect(queue.length).toBe(1);
    expect(drain(queue)).toEqual(["b"]);
  });

  test("a group that cannot start does not hold up another", () => {
    const queue = createWaitQueue<string>(limits);
    queue.join({ rank: 0, ...claim, lane: "interactive", group: "full", bytes: 1, item: "x" });
    queue.join({ rank: 0, ...claim, lane: "batch", group: "free", bytes: 1, item: "y" });
    const started: string[] = [];
    queue.pump((item) => item === "y" && started.push(item) > 0);
    expect(started).toEqual(["y"]);
    expect([queue.hasWaiting("full"), queue.hasWaiting("free")]).toEqual([true, false]);
    expect(queue.clear()).toEqual(["x"]);
    expect([queue.length, queue.bytes, queue.hasWaiting("full")]).toEqual([0, 0, false]);
  });
});
