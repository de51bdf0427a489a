import { describe, expect, test } from "bun:test";
import { llama8bH100 } from "../../engine/index.ts";
import { workloads } from "../../workloads/index.ts";
import { loadShapeOf } from "../fleet/load-shape.ts";
import { runCell } from "../fleet/run-cell.ts";
import { policyNamed } from "../policies/index.ts";
import { openLoadOf } from "./open-load.ts";

const replicas = 2;
const blockTokens = 16;

describe("the open load is below saturation even where placement is random", () => {
  for (const workload of workloads) {
    test(workload.name, () => {
      const shape = loadShapeOf(workload, llama8bH100);
      const demand = openLoadOf(workload.name);
      const { conservation } = runCell(
        {
          policy: "random",
          workload: workload.name,
          regime: "open",
          replicas,
          demand,
          seed: 1,
          scenario: {
            name: "baseline",
            profiles: ["llama-8b-h100"],
            scrapeMs: 250,
            eventLagMs: 10,
            eventLoss: 0,
          },
          warmupMs: 30_000,
          measuredMs: 90_000,
        },
        {
          policy: policyNamed("random"),
          workload,
          shape,
          withTimeline: false,
          wallMs: () => 0,
        },
      );
      // So many sessions would be under way if all turns were served at once; beyond saturation
      // turns pile up, within two minutes to a multiple of it.
      const sessions = shape.sessionsFor(demand * replicas * llama8bH100.blocks * blockTokens);
      expect(conservation.ended).toBeGreaterThan(0);
      expect(conservation.underWay).toBeLessThanOrEqual(2 * sessions);
    });
  }
});
