import { heapStats } from "bun:jsc";
import { describe, expect, test } from "bun:test";
import { type Random, seededRandom } from "@warmpath/runtime/base";
import type { Policy, PolicyRun, RoutedRequest } from "../types.ts";
import { allPolicies, policyNamed } from "./index.ts";
import { blockTokens, replicaViews, startPolicy } from "./testing/hand-made-fleet.ts";

/** Some 200 sessions that grow by turns, on a fleet whose replicas come and go. */
class Fleet {
  readonly choices: (number | "hold" | "refused")[] = [];
  readonly #run: PolicyRun;
  readonly #random: Random;
  readonly #replicas: number;
  readonly #live: RoutedRequest[] = [];
  #step = 0;

  constructor(policy: Policy, seed: number, replicas = 8) {
    this.#random = seededRandom(seed);
    this.#replicas = replicas;
    this.#run = startPolicy(policy, replicas, { random: seededRandom(seed) });
  }

  play(steps: number): this {
    for (let until = this.#step + steps; this.#step < until; this.#step++) this.#place(this.#step);
    return this;
  }

  #place(step: number): void {
    const nowMs = step * 40;
    const down = Math.floor(this.#random.next() * this.#replicas * 2);
    const views = replicaViews(this.#replicas, {
      0: { waiting: step % 3, kvUsage: this.#random.next() },
      [down]: { healthy: false },
    });
    const request = turn(step, this.#random.next());
    const choice = this.#run.place(request, views, nowMs);
    this.choices.push(typeof choice === "object" ? "refused" : choice);
    if (typeof choice !== "number") {
      this.#run.onSessionEnded?.(request.sessionId, nowMs);
      return;
    }
    expect(Number.isInteger(choice) && views[choice]?.healthy).toBeTrue();
    this.#run.onCacheEvents?.(choice, [stored(request)], nowMs);
    this.#live.push(request);
    if (this.#live.length > 40) end(this.#run, this.#live.shift()!, nowMs, this.#random.next());
  }
}

function turn(id: number, dice: number): RoutedRequest {
  const session = Math.floor(dice * 200);
  const promptTokens = 400 + (id % 900);
  return {
    id,
    sessionId: `session-${session}`,
    tenant: "tenant",
    sloClass: "agent",
    turn: 0,
    // Ten groups share 128 tokens.
    chain: {
      blockTokens,
      key: (index) => (index < 8 ? session % 10 : session + 10) * 1000 + index,
    },
    promptTokens,
  };
}

function stored({ id, chain, promptTokens }: RoutedRequest) {
  const keys = Array.from({ length: promptTokens / blockTokens }, (_, index) => chain.key(index));
  return { type: "stored", requestId: id, firstBlock: 0, keys, parentKey: undefined } as const;
}

function end(
  run: PolicyRun,
  { id, sessionId, promptTokens }: RoutedRequest,
  atMs: number,
  dice: number,
) {
  run.onFirstToken?.(id, atMs - 1);
  run.onEnded?.(
    id,
    atMs,
    dice < 0.05 ? undefined : { promptTokens, cachedTokens: 0, outputTokens: 9 },
  );
  run.onPause?.(sessionId, "tool", "shell", atMs);
  if (dice > 0.8) run.onSessionEnded?.(sessionId, atMs);
}

describe.each(allPolicies.map((policy) => [policy.name, policy] as const))(
  "%s",
  (_name, policy) => {
    test("chooses healthy replicas only, and holds when there is none", () => {
      const choices = new Fleet(policy, 1).play(600).choices;
      expect(new Set(choices.filter((choice) => choice !== "hold")).size).toBeGreaterThan(3);
      const run = startPolicy(policy, 2);
      const dead = replicaViews(2, { 0: { healthy: false }, 1: { healthy: false } });
      expect(run.place(turn(1, 0), dead, 0)).toBe("hold");
    });

    test("decides the same for the same seed", () => {
      const choices = () => new Fleet(policy, 5).play(400).choices;
      expect(choices()).toEqual(choices());
    });

    test("works for one replica and for 256", () => {
      expect(new Fleet(policy, 3, 1).play(50).choices).toContain(0);
      expect(new Set(new Fleet(policy, 3, 256).play(300).choices).size).toBeGreaterThan(9);
    });
  },
);

test("names are unique, every policy says where it comes from, and a typo gets a hint", () => {
  expect(new Set(allPolicies.map(({ name }) => name)).size).toBe(allPolicies.length);
  for (const { source, about } of allPolicies) {
    expect(source.length).toBeGreaterThan(20);
    expect(about).toEndWith(".");
  }
  expect(policyNamed("lmetric").name).toBe("lmetric");
  expect(() => policyNamed("lmetrics")).toThrow("did you mean lmetric?");
});

test("no policy grows with the requests that it has seen", () => {
  const fleets = allPolicies.map((policy) => new Fleet(policy, 2).play(1500));
  const objects = () => {
    Bun.gc(true);
    return heapStats().objectCount;
  };
  const before = objects();
  for (const fleet of fleets) fleet.play(1500).choices.length = 0;
  expect(objects() - before).toBeLessThan(100 * allPolicies.length);
});
