// What the linter cannot see of imports: files that nothing reaches, and relative paths that leave
// their package.

import { dirname, join, normalize } from "node:path/posix";
import { codeOnly, type Fault, isCode, isTest, lineAt, type SourceFile } from "./source-file.ts";

const fileReference = /["'`]([^"'`\s]*?[\w.-]+\.(?:tsx?|mjs|sh))["'`]/g;

/** Code that no other file names. Packages' doors, tests and files run as commands are roots. */
export function deadFiles(files: readonly SourceFile[]): readonly Fault[] {
  const named = new Set<string>();
  const loose = new Set<string>();
  for (const { path, text } of files) {
    const isManifest = path.endsWith(".json");
    if (!isManifest && !/\.(tsx?|mjs)$/.test(path)) continue;
    for (const [, reference] of text.matchAll(fileReference)) {
      if (reference === undefined) continue;
      named.add(normalize(join(dirname(path), reference)));
      named.add(normalize(reference));
      // A path handed to a child process is often joined from a folder: its file name must do.
      if (!reference.includes("/") && !isManifest) loose.add(join(dirname(path), reference));
    }
  }
  return files
    .filter(({ path, text }) => isCode(path) && !isRoot(path, text))
    .filter(({ path }) => !named.has(path) && !loose.has(path))
    .map(({ path }) => ({
      path,
      line: 1,
      sentence: "nothing imports this file: use it or delete it",
    }));
}

function isRoot(path: string, text: string): boolean {
  return (
    /\.(test|bench)\.tsx?$/.test(path) ||
    /(^|\/)main\.tsx?$/.test(path) ||
    path.startsWith("benchmarks/k6/") ||
    // Commands: package.json and people name them.
    /^scripts\/[^/]+$/.test(path) ||
    /\bimport\.meta\.main\b/.test(text) ||
    text.startsWith("#!") ||
    path.endsWith(".d.ts")
  );
}

// Statements begin in the first column; a type or a lazy import may stand anywhere.
const relativeImport = /(?:^(?:import|export|\})[^"\n]*|\bimport\()"(\.\.?\/[^"]+)"/gm;

/** Relative imports that end in another package: a package is reached by its name only. */
export function boundaries(files: readonly SourceFile[]): readonly Fault[] {
  const faults: Fault[] = [];
  for (const { path, text } of files) {
    if (!isCode(path)) continue;
    for (const match of codeOnly(text, { keepStrings: true }).matchAll(relativeImport)) {
      const target = normalize(join(dirname(path), match[1] ?? ""));
      if (packageOf(target) === packageOf(path)) continue;
      // scripts/ is a folder of commands without a door; tests, benches and proofs of the whole use
      // parts.
      const isWhole = isTest(path) || /^(benchmarks|mesh\/proofs)\//.test(path);
      if (isWhole && packageOf(target) === "scripts") continue;
      const line = lineAt(text, match.index);
      const sentence = `${match[1]} leaves the package: import @warmpath/${packageOf(target)}`;
      faults.push({ path, line, sentence });
    }
  }
  return faults;
}

function packageOf(path: string): string {
  return path.split("/")[0] ?? path;
}

const catchClause = /\bcatch\s*\((\w+)\)\s*\{/g;

/** An error thrown where another was caught must carry it, or the first failure is lost. */
export function errorCauses(files: readonly SourceFile[]): readonly Fault[] {
  const faults: Fault[] = [];
  for (const { path, text } of files) {
    if (!isCode(path) || isTest(path)) continue;
    const code = codeOnly(text, { keepStrings: false });
    for (const match of code.matchAll(catchClause)) {
      const name = match[1] ?? "";
      const body = blockFrom(code, match.index + match[0].length);
      const thrown = /\bthrow new \w+\(/.exec(body);
      if (thrown === null || new RegExp(`\\bcause\\b|\\b${name}\\b(?!\\.)`).test(body)) continue;
      const line = lineAt(text, match.index + match[0].length + thrown.index);
      faults.push({ path, line, sentence: `pass the caught ${name} on as cause` });
    }
  }
  return faults;
}

/** The text up to the brace that closes the block which has just been opened. */
function blockFrom(code: string, start: number): string {
  let depth = 1;
  for (let index = start; index < code.length; index += 1) {
    if (code[index] === "{") depth += 1;
    else if (code[index] === "}") depth -= 1;
    if (depth === 0) return code.slice(start, index);
  }
  return code.slice(start);
}
