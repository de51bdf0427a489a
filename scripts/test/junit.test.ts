import { expect, test } from "bun:test";
import {
  addTotals,
  failedFiles,
  noTests,
  skipReasons,
  summaryLine,
  totalsFromJunit,
} from "./junit.ts";
import { faultOf, type Step } from "./run-step.ts";

const report = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="bun test" tests="4" assertions="1" failures="1" skipped="2" time="0.007">
  <testsuite name="a.test.ts" tests="4" failures="1" skipped="2">
    <testcase name="ok" classname="a" time="0" file="a.test.ts" />
    <testcase name="on Redis &lt;later&gt;" classname="hot store" time="0" file="a.test.ts">
      <skipped />
    </testcase>
    <testcase name="bad" classname="a"><failure message="no"/></testcase>
    <testcase name="some day" classname="" time="0"><skipped message="later" /></testcase>
  </testsuite>
</testsuites>
`;

test("a report's totals are those of its root element", () => {
  expect(totalsFromJunit(report)).toEqual({ passed: 1, failed: 1, skipped: 2 });
});

test("the files of failed tests are named once each, those of skipped ones are not", () => {
  const failure =
    '<testcase name="n" file="e2e/b&amp;c.test.ts"><failure message="no"/></testcase>';
  expect(failedFiles(report + failure + failure)).toEqual(["e2e/b&c.test.ts"]);
});

test("a report cut off by a crash has no totals", () => {
  expect(totalsFromJunit(report.slice(0, -20))).toBeUndefined();
  expect(totalsFromJunit("")).toBeUndefined();
});

test("skipped tests say why, else they are named with their suite, entities decoded", () => {
  expect(skipReasons("1 skip", report)).toEqual(["hot store > on Redis <later>", "some day"]);
  const output = "bun test\nskipped: no Redis\nskipped: no Redis\n";
  expect(skipReasons(output, report)).toEqual(["no Redis"]);
});

test("the summary sums runs, and speaks of skipped tests only when there are any", () => {
  const one = { passed: 3, failed: 0, skipped: 0 };
  expect(summaryLine([one, one].reduce(addTotals, noTests))).toBe("6 passed, 0 failed");
  expect(summaryLine({ ...one, skipped: 2 })).toBe("3 passed, 0 failed, 2 skipped");
});

test("a run fails as a whole when it is over budget, crashed, empty or inconsistent", () => {
  const step: Step = { name: "state", files: [], env: {}, budgetSeconds: 10 };
  const passing = { passed: 2, failed: 0, skipped: 0 };
  const cases = [
    { exitCode: 0, totals: passing, seconds: 1, fault: undefined },
    { exitCode: 1, totals: { ...passing, failed: 1 }, seconds: 1, fault: undefined },
    { exitCode: 1, totals: passing, seconds: 1, fault: "exit code 1 though no test failed" },
    { exitCode: 137, totals: undefined, seconds: 10, fault: "stopped after its budget of 10 s" },
    { exitCode: 139, totals: undefined, seconds: 1, fault: "without a report, with exit code 139" },
    { exitCode: 0, totals: { ...noTests, skipped: 4 }, seconds: 1, fault: "no test was executed" },
  ];
  for (const { fault, ...run } of cases) {
    const found = faultOf({ step, ...run });
    if (fault === undefined) expect(found).toBeUndefined();
    else expect(found).toContain(fault);
  }
});
