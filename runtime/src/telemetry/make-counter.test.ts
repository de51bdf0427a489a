import { describe, expect, test } from "bun:test";
import { createMetrics } from "./metrics.ts";

describe("a counter", () => {
  test("adds up what was counted between two looks, by labels in any order", async () => {
    const metrics = createMetrics("x");
    const counter = metrics.counter({
      name: "warmpath_tries_total",
      help: "Tries.",
      labels: ["kind", "outcome"],
    });
    counter.inc({ kind: "a", outcome: "good" });
    counter.inc({ outcome: "good", kind: "a" }, 2);
    counter.labels("a", "bad").inc();
    counter.inc({ kind: "b", outcome: "good" }, 0);
    const line = (labels: string, value: number) =>
      `warmpath_tries_total{${labels},service="x"} ${value}`;
    const first = await metrics.text();
    expect(first).toContain(line('kind="a",outcome="good"', 3));
    expect(first).toContain(line('kind="a",outcome="bad"', 1));
    expect(first).toContain(line('kind="b",outcome="good"', 0));
    counter.inc({ kind: "a", outcome: "good" }, 4);
    expect(await metrics.text()).toContain(line('kind="a",outcome="good"', 7));
    expect((await counter.get()).values.length).toBe(3);
  });

  test("never goes down, and has no labels but its own", () => {
    const counter = createMetrics("x").counter({
      name: "warmpath_steps_total",
      help: "Steps.",
      labels: ["kind"],
    });
    expect(() => counter.inc({ kind: "a" }, -1)).toThrow();
    expect(() => counter.inc({ kind: "a" }, Number.NaN)).toThrow();
    const wrong: Record<string, string> = { other: "a" };
    expect(() => counter.inc(wrong)).toThrow("other");
  });
});
