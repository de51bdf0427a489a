// The level `alerts`: the rules are what Prometheus takes, each alert fires and is silent where it
// should, and each tier reaches its receiver.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { ProofStep } from "../step.ts";
import {
  alertmanagerPath,
  alertsOf,
  casesDir,
  readCaseFiles,
  readRuleFiles,
  rulesDir,
} from "./files.ts";
import { missedMutations } from "./mutate.ts";
import { severities } from "./rule-faults.ts";
import { missingTools, runTool } from "./tools.ts";

/** Proof of the alerts with Prometheus's own tools. */
export const alertsStep: ProofStep = {
  name: "alerts",
  proves:
    "each alert fires and is silent where it should, reaches its receiver, and asks for metrics that exist",
  missing: missingTools,
  async run(say) {
    const failures: string[] = [];
    let passed = 0;
    const check = (name: string, result: { readonly ok: boolean; readonly said: string }) => {
      if (result.ok) passed += 1;
      else failures.push(`${name}: ${result.said}`);
    };
    for (const path of yamlFiles(rulesDir)) {
      const flags = ["--lint=all", "--lint-fatal"];
      check(path, await runTool("promtool", ["check", "rules", ...flags, path]));
    }
    const files = readRuleFiles();
    say(`${files.flatMap(alertsOf).length} alerts`);
    for (const path of yamlFiles(casesDir)) {
      check(path, await runTool("promtool", ["test", "rules", path]));
    }
    say("breaking each of them");
    const { tried, missed } = await missedMutations(files, readCaseFiles());
    failures.push(...missed);
    passed += tried - missed.length;
    check(alertmanagerPath, await runTool("amtool", ["check-config", alertmanagerPath]));
    for (const severity of severities) {
      check(`the route of ${severity}`, await routeOf(severity));
    }
    return { passed, failures };
  },
};

/** Whether an alert of a severity goes to the receiver of that name, and to no other. */
async function routeOf(severity: string) {
  return await runTool("amtool", [
    "config",
    "routes",
    "test",
    `--config.file=${alertmanagerPath}`,
    `--verify.receivers=${severity}`,
    `severity=${severity}`,
    "namespace=warmpath",
  ]);
}

function yamlFiles(dir: string): readonly string[] {
  return readdirSync(dir)
    .filter((file) => file.endsWith(".yaml"))
    .toSorted()
    .map((file) => join(dir, file));
}
