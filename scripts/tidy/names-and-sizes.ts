// Names that may exist once, paths that exist on one machine only, and sizes.

import { codeOnly, type Fault, isCode, isTest, lineAt, type SourceFile } from "./source-file.ts";

const metricName = /["'`](warmpath_[a-z0-9_]+)["'`]/g;

/** A metric is defined in one `metrics.ts`, so that one search finds its meaning. */
export function duplicateMetrics(files: readonly SourceFile[]): readonly Fault[] {
  const firstAt = new Map<string, string>();
  const faults: Fault[] = [];
  for (const { path, text } of files) {
    if (!/(^|\/)metrics\.ts$/.test(path)) continue;
    for (const match of codeOnly(text, { keepStrings: true }).matchAll(metricName)) {
      const name = match[1] ?? "";
      const line = lineAt(text, match.index);
      const first = firstAt.get(name);
      if (first === undefined) firstAt.set(name, `${path}:${line}`);
      else faults.push({ path, line, sentence: `metric ${name} is already defined at ${first}` });
    }
  }
  return faults;
}

// Spelt in pieces, so that this file is not its own finding.
const machinePath = new RegExp(
  `(?<![\\w./:~$}-])(?:${["/wo" + "rk/", "/ro" + "ot/", "/Use" + "rs/\\w", "/ho" + "me/\\w"].join("|")})[\\w./-]*|\\.\\./sha` +
    "red/",
  "g",
);

/** Absolute paths of somebody's machine. Container images have folders of their own. */
export function machinePaths(files: readonly SourceFile[]): readonly Fault[] {
  return files
    .filter(({ path }) => !path.startsWith("mesh/images/") && path !== "package-lock.json")
    .flatMap(({ path, text }) =>
      [...text.matchAll(machinePath)].map((match) => ({
        path,
        line: lineAt(text, match.index),
        sentence: `${match[0]} exists on one machine only`,
      })),
    );
}

const emptyNames = /(^|\/)(utils?|helpers?|common|misc|manager|impl)(\.tsx?|\/)/;

/** File names that say nothing: a file is named for its noun or its verb. */
export function emptyFileNames(files: readonly SourceFile[]): readonly Fault[] {
  return files
    .filter(({ path }) => isCode(path) && emptyNames.test(path) && !path.startsWith("proto/"))
    .map(({ path }) => ({ path, line: 1, sentence: "name this file for what it does" }));
}

const columnsMax = 100;

/**
 * Files allowed to be longer than 400 lines, or to hold a longer function than 70: each says why.
 */
const sizeExceptions: Readonly<Record<string, string>> = {};

const sizeSuppression = /biome-ignore(?:-all)? lint\/\w+\/noExcessiveLinesPer/;

/** Comment lines within 100 columns, and exceptions from the size rules only from the one list. */
export function sizes(
  files: readonly SourceFile[],
  exceptions: Readonly<Record<string, string>> = sizeExceptions,
): readonly Fault[] {
  const suppressed = new Set<string>();
  const faults: Fault[] = [];
  for (const { path, text } of files) {
    if (!isCode(path) || path.startsWith("scripts/tidy")) continue;
    for (const [index, line] of text.split("\n").entries()) {
      // The formatter breaks code; a long literal or link cannot be broken.
      if (line.length <= columnsMax || !/^\s*(\/\/|\*|\/\*)/.test(line)) continue;
      if (/https?:/.test(line) || isTest(path)) continue;
      const sentence = `a comment line of ${line.length} columns: ${columnsMax} at most`;
      faults.push({ path, line: index + 1, sentence });
    }
    if (!sizeSuppression.test(text)) continue;
    suppressed.add(path);
    if (exceptions[path] === undefined) {
      const sentence =
        "a size rule is switched off: list the file and its reason in sizeExceptions";
      faults.push({ path, line: 1, sentence });
    }
  }
  for (const path of Object.keys(exceptions)) {
    if (suppressed.has(path)) continue;
    faults.push({ path, line: 1, sentence: "listed in sizeExceptions, and needs no exception" });
  }
  return faults;
}
