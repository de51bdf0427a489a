import { alertsOf, type CaseFile, type RuleFile } from "./files.ts";

/** What each tier of alerts is for: mesh/monitoring/alertmanager.yaml. */
export const severities = ["page", "ticket", "info"] as const;

const owners = ["durable", "inference", "platform"];
const runbook = "docs/RUNBOOK.md";

/**
 * What is missing of the rules, a sentence each: who owns an alert, how much it matters, where its
 * remedy is written down, and a case for each side of its threshold. `runbookText` is the Markdown
 * of docs/RUNBOOK.md.
 */
export function ruleFaults(
  files: readonly RuleFile[],
  cases: readonly CaseFile[],
  runbookText: string,
): readonly string[] {
  const anchors = anchorsOf(runbookText);
  const alerts = files.flatMap(alertsOf);
  const tests = cases.flatMap((file) => file.tests).flatMap((each) => each.alert_rule_test);
  const faults: string[] = [];
  for (const { alert, labels = {}, annotations = {} } of alerts) {
    const { severity = "", owner = "" } = labels;
    if (!severities.some((each) => each === severity)) {
      faults.push(`${alert} has the severity "${severity}"`);
    }
    if (!owners.includes(owner)) faults.push(`${alert} has the owner "${owner}"`);
    for (const key of ["summary", "description"]) {
      if ((annotations[key] ?? "") === "") faults.push(`${alert} has no ${key}`);
    }
    const [file, anchor = ""] = (annotations["runbook_url"] ?? "").split("#");
    if (file !== runbook || !anchors.has(anchor)) {
      faults.push(`${alert} points to ${file}#${anchor}, which is no heading of ${runbook}`);
    }
    const own = tests.filter(({ alertname }) => alertname === alert);
    if (!own.some((test) => test.exp_alerts.length > 0)) {
      faults.push(`${alert} has no case in which it fires`);
    }
    if (!own.some((test) => test.exp_alerts.length === 0)) {
      faults.push(`${alert} has no case in which it is silent`);
    }
  }
  const names = alerts.map(({ alert }) => alert);
  for (const name of names.filter((each, at) => names.indexOf(each) !== at)) {
    faults.push(`${name} is defined twice`);
  }
  for (const { alertname } of tests.filter((test) => !names.includes(test.alertname))) {
    faults.push(`a case is about ${alertname}, which no file defines`);
  }
  return faults;
}

/** The anchors of a Markdown file's headings: lower case, without marks, blanks as hyphens. */
function anchorsOf(markdown: string): ReadonlySet<string> {
  const headings = [...markdown.matchAll(/^#{1,6} (.+)$/gm)].map(([, text = ""]) => text);
  return new Set(
    headings.map((text) =>
      text
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}
