import { expect, test } from "bun:test";
import { formatReport } from "../../report/report.ts";
import { llama8bH100 } from "../profiles.ts";
import { measuredPoints } from "./measured.ts";
import { simulatePoint } from "./simulate-point.ts";
import { tinyPlan, validate } from "./validate.ts";

test("fitted points meet their bars, all points are listed, the report names what it lacks", () => {
  const { report, bars } = validate(tinyPlan, () => undefined);
  // The last bar is speed, which is no matter of a test.
  expect(bars.slice(0, -1).map(({ name, ok }) => [name, ok])).toEqual([
    ["engine.itl-mean-error", true],
    ["engine.e2e-mean-error", true],
    ["engine.ttft-mean-error", true],
    ["engine.ttft-p99-factor", true],
  ]);
  expect(bars.at(-1)?.value).toBeGreaterThan(0);
  const text = formatReport(report);
  for (const { name } of measuredPoints) expect(text).toContain(name);
  expect(text).toContain("Held-out points (ms), whatever their error");
  expect(text).toContain("Not measured:");
});

test("latency grows with the rate, up to a queue", () => {
  const [point] = measuredPoints;
  if (point === undefined) throw new Error("no measured point");
  const runs = [1, 8, 20, 40, 80].map((ratePerSecond) =>
    simulatePoint({ ...point, ratePerSecond }, llama8bH100, { seed: 1, requests: 1000 }),
  );
  for (const metric of ["ttftMeanMs", "itlMeanMs", "e2eMeanMs"] as const) {
    const values = runs.map((run) => run[metric]);
    expect(values).toEqual(values.toSorted((left, right) => left - right));
  }
  expect(runs.at(-1)?.ttftMeanMs).toBeGreaterThan(1000);
});
