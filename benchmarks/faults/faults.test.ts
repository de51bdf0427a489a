/**
 * Goal: whatever one replica of three does, no request is lost before its first event, none is
 * answered twice, and every stream ends with done or an explicit error.
 */
import { expect, test } from "bun:test";
import { runSoak, tinyPlan } from "./soak.ts";

test("replicas that are killed, hung, slowed and restarted under load lose nobody", async () => {
  const { bars, endings, rounds } = await runSoak(tinyPlan, { onProgress: () => undefined });
  expect(rounds.length).toBe(tinyPlan.faults.length);
  expect(endings.length).toBeGreaterThan(100);
  // How long things take is the bench's to say.
  const counted = bars.filter(({ name }) => !name.includes("in s"));
  expect(counted.filter(({ ok }) => !ok)).toEqual([]);
}, 120_000);
