// Reads the totals that `bun test --reporter=junit` leaves behind.

/** What happened to the tests of one run, or of several together. */
export interface Totals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export const noTests: Totals = { passed: 0, failed: 0, skipped: 0 };

/** Sums runs. */
export function addTotals(left: Totals, right: Totals): Totals {
  return {
    passed: left.passed + right.passed,
    failed: left.failed + right.failed,
    skipped: left.skipped + right.skipped,
  };
}

/** The report's totals; undefined when it is not a complete report, as after a crash. */
export function totalsFromJunit(report: string): Totals | undefined {
  const root = /<testsuites\b([^>]*)>/.exec(report)?.[1];
  const isComplete = report.trimEnd().endsWith("</testsuites>");
  if (root === undefined || !isComplete) return undefined;
  const tests = numberAttribute(root, "tests");
  const failed = numberAttribute(root, "failures");
  const skipped = numberAttribute(root, "skipped");
  if (tests === undefined || failed === undefined || skipped === undefined) return undefined;
  return { passed: tests - failed - skipped, failed, skipped };
}

/** The names of the tests that were skipped, with the suites they are in. */
function skippedNames(report: string): readonly string[] {
  const cases = report.matchAll(/<testcase name="([^"]*)" classname="([^"]*)"[^>]*>\s*<skipped/g);
  return [...cases].map(([, name = "", suite = ""]) =>
    decodeEntities(suite === "" ? name : `${suite} > ${name}`),
  );
}

/** The files of the tests that failed, each once. */
export function failedFiles(report: string): readonly string[] {
  const cases = report.matchAll(/<testcase\b[^>]*\bfile="([^"]*)"[^>]*>\s*<failure/g);
  return [...new Set([...cases].map(([, file = ""]) => decodeEntities(file)))];
}

/**
 * Why tests were skipped: the lines beginning with `skipped: ` that they printed, or, where they
 * printed none, the names of the tests.
 */
export function skipReasons(output: string, report: string): readonly string[] {
  const said = [...output.matchAll(/^skipped: (.+)$/gm)].map(([, reason = ""]) => reason);
  return said.length > 0 ? [...new Set(said)] : skippedNames(report);
}

/** The one line that ends every run, which other programs read. */
export function summaryLine({ passed, failed, skipped }: Totals): string {
  return `${passed} passed, ${failed} failed${skipped === 0 ? "" : `, ${skipped} skipped`}`;
}

function numberAttribute(tag: string, name: string): number | undefined {
  const value = new RegExp(`\\b${name}="(\\d+)"`).exec(tag)?.[1];
  return value === undefined ? undefined : Number(value);
}

const entities: Readonly<Record<string, string>> = {
  "&lt;": "<",
  "&gt;": ">",
  "&quot;": '"',
  "&apos;": "'",
  "&amp;": "&",
};

function decodeEntities(text: string): string {
  return text.replace(/&(?:lt|gt|quot|apos|amp);/g, (entity) => entities[entity] ?? entity);
}
