import { expect, test } from "bun:test";
import { cacheAware } from "./cache-aware.ts";
import { prefixHash } from "./prefix-hash.ts";
import { sessionHash } from "./session-hash.ts";
import { replicaViews, requestOf, startPolicy } from "./testing/hand-made-fleet.ts";

test("a session stays on its replica, and a lost replica moves only its own sessions", () => {
  const run = startPolicy(sessionHash, 8);
  const place = (sessionId: string, changes = {}) =>
    run.place(requestOf(["a:32"], { sessionId }), replicaViews(8, changes), 0);
  const ids = Array.from({ length: 400 }, (_, index) => `s-${index}`);
  const before = ids.map((id) => place(id));
  expect(new Set(before).size).toBe(8);
  const after = ids.map((id) => place(id, { 3: { healthy: false } }));
  expect(after).not.toContain(3);
  for (const [index, replica] of before.entries()) {
    if (replica !== 3) expect(after[index]).toBe(replica);
  }
});

test("prompts with the same first 1,024 tokens go together, whatever follows", () => {
  const run = startPolicy(prefixHash, 16);
  const place = (parts: string[]) => run.place(requestOf(parts), replicaViews(16), 0);
  const home = place(["system:1024", "ann:160"]);
  expect(place(["system:1024", "bob:1600"])).toBe(home);
  const others = Array.from({ length: 40 }, (_, index) => place([`own-${index}:1008`, "x:160"]));
  expect(new Set(others).size).toBeGreaterThan(8);
});

test("cache-aware follows a match of more than 30 % and else the shortest queue", () => {
  const run = startPolicy(cacheAware, 3);
  const place = (parts: string[], changes = {}) =>
    run.place(requestOf(parts), replicaViews(3, changes), 0);
  const home = Number(place(["system:640"]));
  expect(place(["system:640", "ann:1280"])).toBe(home);
  // 640 of 2,560 tokens match: below the threshold, so the emptiest, which home is not.
  expect(place(["system:640", "bob:1920"])).not.toBe(home);
});

test("cache-aware gives up affinity only when the fleet is imbalanced by 64 and by half", () => {
  const run = startPolicy(cacheAware, 2);
  const parts = ["system:640"];
  const home = Number(run.place(requestOf(parts), replicaViews(2), 0));
  for (let n = 0; n < 64; n++) expect(run.place(requestOf(parts), replicaViews(2), 0)).toBe(home);
  expect(run.place(requestOf(parts), replicaViews(2), 0)).toBe(1 - home);
});

test("cache-aware sends a match on a lost replica to the first healthy one", () => {
  const run = startPolicy(cacheAware, 3);
  const place = (changes = {}) => run.place(requestOf(["system:640"]), replicaViews(3, changes), 0);
  const home = Number(place());
  const firstHealthy = home === 0 ? 1 : 0;
  expect(place({ [home]: { healthy: false } })).toBe(firstHealthy);
});
