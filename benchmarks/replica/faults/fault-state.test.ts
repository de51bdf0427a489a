import { expect, test } from "bun:test";
import { seededRandom } from "@warmpath/runtime/base";
import { createManualClock } from "@warmpath/runtime/testing";
import { FaultState } from "./fault-state.ts";

test("a fault set anew does not end when the one before it was to end", async () => {
  const clock = createManualClock();
  const faults = new FaultState(clock, seededRandom("faults"), () => undefined);
  faults.set({ slowdown: 2, hang: true }, 1_000);
  await clock.advance(500);
  faults.set({ slowdown: 5 });
  await clock.advance(10_000);
  expect(faults.settings).toEqual({ slowdown: 5 });
  expect(clock.sleeperCount).toBe(0);
  faults.set({ slowdown: 6 }, 1_000);
  faults.clear();
  expect(clock.sleeperCount).toBe(0);
});
