import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { inTemporaryFolder } from "../temporary-folder.ts";
import { alertsOf, type CaseFile, type RuleFile } from "./files.ts";
import { runTool } from "./tools.ts";

/** A way to break an alert that its cases must notice. */
interface Mutation {
  readonly name: string;
  readonly expr: string;
}

const mutations: readonly Mutation[] = [
  { name: "never fires", expr: "vector(0) > 1" },
  { name: "always fires", expr: "vector(1)" },
];

/** In how many ways each alert is broken. */
export const mutationsEach = mutations.length;

/**
 * Breaks the alerts in each way and runs their cases; a sentence for each alert whose cases let it
 * pass. A case that stays green on a broken rule proves nothing of the whole one. All alerts of a
 * file are broken at once: a case asks for one alert by name, so they do not disturb each other.
 */
export function missedMutations(
  files: readonly RuleFile[],
  cases: readonly CaseFile[],
): Promise<{ readonly tried: number; readonly missed: readonly string[] }> {
  return inTemporaryFolder("alerts", async (folder) => {
    const missed: string[] = [];
    let tried = 0;
    for (const caseFile of cases) {
      const file = files.find(({ name }) => caseFile.rule_files[0]?.endsWith(`/${name}.yaml`));
      const alerts = file === undefined ? [] : alertsOf(file).filter(hasCaseIn(caseFile));
      for (const mutation of mutations) {
        const test = writeMutant(folder, file, caseFile, mutation);
        const { said } = await runTool("promtool", ["test", "rules", test]);
        tried += alerts.length;
        const unnoticed = alerts.filter(({ alert }) => !said.includes(`alertname: ${alert},`));
        missed.push(...unnoticed.map(({ alert }) => `${alert} that ${mutation.name}: unnoticed`));
      }
    }
    return { tried, missed };
  });
}

function hasCaseIn({ tests }: CaseFile): (rule: { readonly alert: string }) => boolean {
  const names = new Set(
    tests.flatMap((test) => test.alert_rule_test).map((each) => each.alertname),
  );
  return ({ alert }) => names.has(alert);
}

function writeMutant(
  folder: string,
  file: RuleFile | undefined,
  { tests, evaluation_interval }: CaseFile,
  mutation: Mutation,
): string {
  const groups = file?.groups.map(({ name, rules }) => ({
    name,
    rules: rules.map(({ alert, labels, annotations, ...rule }) =>
      alert === undefined ? rule : { alert, expr: mutation.expr, labels, annotations },
    ),
  }));
  // JSON is YAML.
  writeFileSync(join(folder, "rules.yaml"), JSON.stringify({ groups }));
  const casePath = join(folder, "cases.yaml");
  const mutant = { rule_files: ["rules.yaml"], evaluation_interval, tests };
  writeFileSync(casePath, JSON.stringify(mutant));
  return casePath;
}
