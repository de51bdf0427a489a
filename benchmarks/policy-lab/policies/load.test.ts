import { expect, test } from "bun:test";
import { leastLoaded } from "./least-loaded.ts";
import { powerOfTwo } from "./power-of-two.ts";
import { random } from "./random.ts";
import { roundRobin } from "./round-robin.ts";
import { replicaViews, requestOf, startPolicy } from "./testing/hand-made-fleet.ts";

const request = () => requestOf(["prompt:64"]);

test("random spreads evenly over healthy replicas", () => {
  const run = startPolicy(random, 4);
  const replicas = replicaViews(4, { 2: { healthy: false } });
  const counts = [0, 0, 0, 0];
  for (let n = 0; n < 3000; n++) counts[Number(run.place(request(), replicas, 0))]! += 1;
  expect(counts[2]).toBe(0);
  for (const index of [0, 1, 3]) expect(counts[index]).toBeWithin(900, 1100);
});

test("round-robin takes turns and skips what is down", () => {
  const run = startPolicy(roundRobin, 3);
  const turn = (changes = {}) => run.place(request(), replicaViews(3, changes), 0);
  expect([turn(), turn(), turn(), turn()]).toEqual([0, 1, 2, 0]);
  expect(turn({ 1: { healthy: false } })).toBe(2);
  expect(turn()).toBe(0);
});

test("least-loaded counts what it sent and what ended, whatever was scraped", () => {
  const run = startPolicy(leastLoaded, 2);
  const busy = replicaViews(2, { 0: { healthy: false } });
  const first = request();
  expect(run.place(first, busy, 0)).toBe(1);
  expect(run.place(request(), replicaViews(2, { 0: { running: 50 } }), 0)).toBe(0);
  expect(run.place(request(), busy, 0)).toBe(1);
  run.onEnded?.(first.id, 1, undefined);
  run.onEnded?.(first.id, 1, undefined);
  // One request each: the dice may fall either way, and the next must go to the other.
  const third = run.place(request(), replicaViews(2), 1);
  expect(run.place(request(), replicaViews(2), 1)).toBe(1 - Number(third));
});

test("power of two never takes the fullest, and always compares two different replicas", () => {
  const run = startPolicy(powerOfTwo, 3);
  const onlyTwo = replicaViews(3, { 0: { healthy: false }, 1: { healthy: false } });
  for (let n = 0; n < 50; n++) expect(run.place(request(), onlyTwo, 0)).toBe(2);
  const others = Array.from({ length: 60 }, () => run.place(request(), replicaViews(3), 0));
  expect(others).not.toContain(2);
});
