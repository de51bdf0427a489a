import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tiny } from "../engine/index.ts";
import { loadShapeOf } from "./fleet/load-shape.ts";
import { runCell } from "./fleet/run-cell.ts";
import { smallAgents } from "./testing/plan-session.ts";
import type { Policy } from "./types.ts";

test("the README's policy is about twenty lines, and runs", async () => {
  const readme = readFileSync(join(import.meta.dir, "README.md"), "utf8");
  const code = /```ts\n(.*?)```/s.exec(readme)?.[1] ?? "";
  expect(code.trim().split("\n").length).toBeLessThanOrEqual(21);
  const folder = mkdtempSync(join(tmpdir(), "policy-lab-"));
  try {
    const path = join(folder, "sticky.ts");
    writeFileSync(path, code);
    const { sticky }: { sticky: Policy } = await import(path);
    const cell = runCell(
      {
        policy: sticky.name,
        workload: smallAgents.name,
        regime: "saturation",
        replicas: 2,
        demand: 0.5,
        seed: 1,
        scenario: {
          name: "baseline",
          profiles: ["tiny"],
          scrapeMs: 250,
          eventLagMs: 10,
          eventLoss: 0,
        },
        warmupMs: 1000,
        measuredMs: 4000,
      },
      {
        policy: sticky,
        workload: smallAgents,
        shape: loadShapeOf(smallAgents, tiny),
        withTimeline: false,
        wallMs: () => 0,
      },
    );
    expect(cell.hitTokens / cell.boundTokens).toBeGreaterThan(0.8);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
