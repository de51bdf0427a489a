// Goal: no alert without an owner, a tier, a remedy that is written down, and a case for each side
// of its threshold. Without promtool: what the cases say is run by the level `alerts`.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readCaseFiles, readRuleFiles } from "./files.ts";
import { ruleFaults } from "./rule-faults.ts";
import { noneOf } from "./step.ts";

const runbook = readFileSync(join(import.meta.dir, "../../../docs/RUNBOOK.md"), "utf8");
const files = readRuleFiles();
const cases = readCaseFiles();

test("each alert has owner, severity, summary, a heading of the runbook, and both cases", () => {
  expect(ruleFaults(files, cases, runbook)).toEqual([]);
});

test("a heading, a case, an owner or a severity that is missing is found", () => {
  expect(ruleFaults(files, cases, runbook.replace("### Tasks fail\n", ""))[0]).toBe(
    "WarmpathTaskErrorsBurnFast points to docs/RUNBOOK.md#tasks-fail, which is no heading of docs/RUNBOOK.md",
  );
  const faults = (labels: Record<string, string>) =>
    ruleFaults(
      [
        {
          name: "planted",
          groups: [{ name: "planted", rules: [{ alert: "Planted", expr: "up == 0", labels }] }],
        },
      ],
      [],
      runbook,
    );
  expect(faults({ severity: "critical", owner: "me" })).toEqual([
    'Planted has the severity "critical"',
    'Planted has the owner "me"',
    "Planted has no summary",
    "Planted has no description",
    "Planted points to #, which is no heading of docs/RUNBOOK.md",
    "Planted has no case in which it fires",
    "Planted has no case in which it is silent",
  ]);
});

test("a level that finds no alert, no panel or no trigger to look at is not green", () => {
  expect(noneOf({ alerts: files, "queries of triggers": [] })).toEqual([
    "there are no queries of triggers to look at",
  ]);
});
