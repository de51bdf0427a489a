// The level `alerts`: the rules are what Prometheus takes, each alert fires and is silent where it
// should, and each tier reaches its receiver.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findHelm, helmMissing } from "../../helm.ts";
import type { ProofStep } from "../step.ts";
import { inTemporaryFolder } from "../temporary-folder.ts";
import {
  queriesOfDashboards,
  queriesOfRules,
  queriesOfTriggers,
  readDashboards,
} from "./asked-queries.ts";
import { parseExposition } from "./exposition.ts";
import {
  alertmanagerPath,
  alertsOf,
  casesDir,
  readCaseFiles,
  readRuleFiles,
  rulesDir,
} from "./files.ts";
import { scrapeLive } from "./live-scrape.ts";
import {
  type AskedQuery,
  contractFaults,
  existingMetrics,
  withoutVariables,
} from "./metric-contract.ts";
import { missedMutations, mutationsEach } from "./mutate.ts";
import { severities } from "./rule-faults.ts";
import { missingTools, runTool } from "./tools.ts";

const metricsDocs = join(import.meta.dir, "../../../docs/METRICS.md");

/** Proof of the alerts with Prometheus's own tools. */
export const alertsStep: ProofStep = {
  name: "alerts",
  proves:
    "each alert fires and is silent where it should, reaches its receiver, and asks for metrics that exist",
  // Helm renders the triggers, whose queries are a third of what is asked.
  missing: () => missingTools() ?? (findHelm() === undefined ? helmMissing : undefined),
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
    const alerts = files.flatMap(alertsOf);
    failures.push(...noneOf({ alerts }));
    say(`${alerts.length} alerts`);
    for (const path of yamlFiles(casesDir)) {
      check(path, await runTool("promtool", ["test", "rules", path]));
    }
    say("breaking each of them");
    const { tried, missed } = await missedMutations(files, readCaseFiles());
    failures.push(...missed);
    passed += tried - missed.length;
    if (tried < mutationsEach * alerts.length) {
      failures.push(
        `${tried} broken alerts, of ${alerts.length} that each break in ${mutationsEach} ways`,
      );
    }
    const dashboards = queriesOfDashboards(readDashboards());
    const triggers = (await queriesOfTriggers()) ?? [];
    const asked = [...dashboards, ...triggers];
    failures.push(
      ...noneOf({ "queries of dashboards": dashboards, "queries of triggers": triggers }),
    );
    say(`${asked.length} queries of dashboards and triggers`);
    check("queries of dashboards and triggers", await parseQueries(asked));
    say("scraping the product");
    const metrics = existingMetrics(
      (await scrapeLive()).flatMap(parseExposition),
      readFileSync(metricsDocs, "utf8"),
      files,
    );
    const everything = [...queriesOfRules(files), ...asked];
    const dangling = contractFaults(everything, metrics);
    failures.push(...dangling);
    passed += Math.max(0, everything.length - dangling.length);
    check(alertmanagerPath, await runTool("amtool", ["check-config", alertmanagerPath]));
    for (const severity of severities) {
      check(`the route of ${severity}`, await routeOf(severity));
    }
    return { passed, failures };
  },
};

/** A sentence for each list that has nothing in it: of nothing, everything is true. */
export function noneOf(lists: Readonly<Record<string, readonly unknown[]>>): readonly string[] {
  const empty = Object.entries(lists).filter(([, found]) => found.length === 0);
  return empty.map(([what]) => `there are no ${what} to look at`);
}

/** Whether Prometheus can read queries: each is given to promtool as a rule that records. */
function parseQueries(asked: readonly AskedQuery[]) {
  return inTemporaryFolder("queries", async (folder) => {
    const path = join(folder, "queries.yaml");
    const rules = asked.map(({ query }, at) => ({
      record: `query:${at}`,
      expr: withoutVariables(query),
    }));
    // JSON is YAML.
    writeFileSync(path, JSON.stringify({ groups: [{ name: "queries", rules }] }));
    return await runTool("promtool", ["check", "rules", path]);
  });
}

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
