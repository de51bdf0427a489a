// What the rules and their cases are, as files: read here and nowhere else.

import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

const folder = import.meta.dir;
/** Folder of the rules that the chart installs. */
export const rulesDir = join(folder, "../../chart/files/rules");
/** Folder of the cases that promtool runs. */
export const casesDir = join(folder, "cases");
/** The example of Alertmanager's configuration. */
export const alertmanagerPath = join(folder, "../../monitoring/alertmanager.yaml");

/** A rule: one that records has `record`, one that alerts has `alert` and the rest. */
export interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A file of rules. */
export interface RuleFile {
  /** Name of the file without its ending. */
  readonly name: string;
  readonly groups: readonly { readonly name: string; readonly rules: readonly Rule[] }[];
}

/** One case of promtool's unit tests, as far as it is looked at here. */
export interface AlertCase {
  readonly name: string;
  readonly alert_rule_test: readonly {
    readonly alertname: string;
    readonly exp_alerts: readonly unknown[];
  }[];
}

/** A file of cases. */
export interface CaseFile {
  readonly name: string;
  readonly rule_files: readonly string[];
  readonly evaluation_interval: string;
  readonly tests: readonly AlertCase[];
}

/** Every file of rules. */
export function readRuleFiles(): readonly RuleFile[] {
  // Our own files; promtool checks them whole.
  return readYamlFiles(rulesDir) as readonly RuleFile[];
}

/** Every file of cases. */
export function readCaseFiles(): readonly CaseFile[] {
  // As above.
  return readYamlFiles(casesDir) as readonly CaseFile[];
}

/** The rules of a file that alert. */
export function alertsOf(file: RuleFile): readonly (Rule & { readonly alert: string })[] {
  return file.groups.flatMap(({ rules }) =>
    rules.flatMap((rule) => (rule.alert === undefined ? [] : [{ ...rule, alert: rule.alert }])),
  );
}

function readYamlFiles(dir: string): readonly object[] {
  return readdirSync(dir)
    .filter((file) => file.endsWith(".yaml"))
    .toSorted()
    .map((file) => ({
      ...(Bun.YAML.parse(readFileSync(join(dir, file), "utf8")) as object),
      name: basename(file, ".yaml"),
    }));
}
