import { describe, expect, test } from "bun:test";
import { Histogram, Registry } from "prom-client";
import { seededRandom } from "../base/index.ts";
import { makeHistogram } from "./make-histogram.ts";

const buckets = [0.1, 1, 10];

async function textOf(make: (registry: Registry) => Histogram<"kind" | "place">): Promise<string> {
  const registry = new Registry();
  const histogram = make(registry);
  const random = seededRandom(3);
  for (let index = 0; index < 500; index += 1) {
    const kind = `k${Math.floor(random.next() * 3)}`;
    const value = [0.1, 1, 10, 11, random.next() * 20][Math.floor(random.next() * 5)] ?? 0;
    histogram.observe(
      random.next() < 0.5 ? { kind, place: "a" } : { place: "b", kind },
      Math.round(value * 8) / 8,
    );
    if (index % 100 === 0) {
      await registry.metrics();
    }
  }
  histogram.observe({ kind: "only" }, 3);
  return await registry.metrics();
}

describe("a histogram", () => {
  test("tells what the library's own tells of the same observations", async () => {
    const config = { name: "warmpath_x", help: "X.", labelNames: ["kind", "place"] as const };
    const ours = await textOf((registry) =>
      makeHistogram({
        ...config,
        labelNames: [...config.labelNames],
        buckets,
        registers: [registry],
      }),
    );
    const theirs = await textOf(
      (registry) =>
        new Histogram({
          ...config,
          labelNames: [...config.labelNames],
          buckets,
          registers: [registry],
        }),
    );
    expect(ours).toBe(theirs);
    expect(ours).toContain('warmpath_x_count{kind="only"} 1');
  });

  test("observes numbers only, and has no labels but its own", () => {
    const histogram = makeHistogram({
      name: "warmpath_y",
      help: "Y.",
      labelNames: ["kind"],
      buckets,
      registers: [new Registry()],
    });
    expect(() => histogram.observe({ kind: "a" }, Number.NaN)).toThrow("NaN");
    const wrong: Record<string, string> = { other: "a" };
    expect(() => histogram.observe(wrong, 1)).toThrow("other");
  });
});
