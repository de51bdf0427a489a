// Goal: a level that shows nothing is not green, and one that cannot run says why.

import { expect, test } from "bun:test";
import { prove } from "./prove.ts";
import type { ProofResult, ProofStep } from "./step.ts";

function level(run: () => Promise<ProofResult>, lacks?: string): ProofStep {
  return { name: "any", proves: "anything", missing: () => lacks, run };
}

test("a level that passed is green", async () => {
  const outcome = await prove(level(async () => ({ passed: 2, failures: [] })));
  expect(outcome).toMatchObject({ state: "passed", passed: 2, failures: [] });
});

test("a level that passed nothing and failed nothing is red", async () => {
  const outcome = await prove(level(async () => ({ passed: 0, failures: [] })));
  expect(outcome).toMatchObject({ state: "failed", failures: ["nothing was looked at"] });
});

test("what is thrown, such as a build that fails, is red and not a level that was not run", async () => {
  const outcome = await prove(level(() => Promise.reject(new Error("it does not build"))));
  expect(outcome).toMatchObject({ state: "failed", failures: ["it does not build"] });
});

test("a level that lacks something is not run, and says what", async () => {
  const outcome = await prove(level(() => Promise.reject(new Error("was run")), "no helm"));
  expect(outcome).toMatchObject({ state: "not run", reason: "no helm", failures: [] });
});
