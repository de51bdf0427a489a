import { expect, test } from "bun:test";
import { runCores, tinyPlan } from "./cores.ts";

test("two proxies answer on one port, and none of their requests fails", async () => {
  const report = await runCores(tinyPlan, () => undefined);
  expect(report.figures.map(({ name }) => name)).toEqual([
    "requests/s of 1 processes ÷ 1",
    "requests/s of 2 processes ÷ 1",
  ]);
  expect(report.rounds).toHaveLength(2);
  for (const round of report.rounds) {
    expect(round).toMatchObject({ failures: 0 });
  }
}, 60_000);
