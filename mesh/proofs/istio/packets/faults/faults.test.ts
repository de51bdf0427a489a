// Goal: no check of the level can stay green for ever, and no fault waits for a check that is not there.

import { expect, test } from "bun:test";
import { serviceChecks } from "../checks/all.ts";
import type { Check } from "../checks/check.ts";
import { stubChecks } from "../checks/failing-calls.ts";
import { startVerdicts } from "../verdicts.ts";
import { type Bench, checkNamed, proveFaults } from "./fault.ts";
import { serviceBenches } from "./services.ts";
import { stubBenches } from "./stubs.ts";

function redsOf<S>(benches: readonly Bench<S>[]): ReadonlySet<string> {
  return new Set(
    benches.flatMap(({ checks, faults }) =>
      faults.flatMap(({ reds }) => reds.map((words) => checkNamed(checks, words).title)),
    ),
  );
}

function titlesOf<S>(all: readonly Check<S>[]): string[] {
  return all.map(({ title }) => title).sort();
}

test("every check has a fault that has to turn it red", () => {
  expect([...redsOf(serviceBenches)].sort()).toEqual(titlesOf(serviceChecks));
  expect([...redsOf(stubBenches)].sort()).toEqual(titlesOf(stubChecks));
});

/** Two checks that go red when the stage says so. */
const checks = ["one", "other"].map((title) => ({
  title,
  run: async (reds: readonly string[]) => (reds.includes(title) ? ["it is wrong"] : []),
}));

async function failuresOf(wanted: readonly string[], planted: readonly string[]) {
  const verdicts = startVerdicts(() => undefined);
  let mended = 0;
  const mend = async () => {
    mended += 1;
  };
  const plant = async () => ({ stage: planted, mend });
  const faults = [{ title: "a fault", reds: wanted, plant }];
  await proveFaults({ checks, faults, areTogether: true }, [], verdicts);
  expect(mended).toBe(1);
  return verdicts.result().failures;
}

test("a fault that turns exactly its checks red is well found", async () => {
  expect(await failuresOf(["one"], ["one"])).toEqual([]);
});

test("a check that stays green with its fault is a failure", async () => {
  expect(await failuresOf(["one"], [])).toEqual(['planted: a fault: nothing is wrong, says "one"']);
});

test("a check that goes red with another's fault is a failure", async () => {
  expect(await failuresOf(["one"], ["one", "other"])).toEqual([
    'planted: a fault: "other" went red as well: it is wrong',
  ]);
});
