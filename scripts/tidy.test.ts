import { expect, test } from "bun:test";
import { bannedText } from "./tidy/banned-text.ts";
import { brokenLinks, staleFileLists } from "./tidy/documents.ts";
import { boundaries, deadFiles, errorCauses } from "./tidy/imports.ts";
import { duplicateMetrics, emptyFileNames, machinePaths, sizes } from "./tidy/names-and-sizes.ts";
import { packages } from "./tidy/packages.ts";
import type { Fault, SourceFile } from "./tidy/source-file.ts";
import { wrapComments } from "./tidy/wrap-comments.ts";
import { tidyFaults } from "./tidy.ts";

/** The faults as `path:line`, for files given as path => text. */
function at(rule: (files: readonly SourceFile[]) => readonly Fault[], tree: object): string[] {
  const files = Object.entries(tree).map(([path, text]) => ({ path, text: String(text) }));
  return rule(files).map(({ path, line }) => `${path}:${line}`);
}

test("the repository is tidy", async () => {
  const faults = await tidyFaults();
  expect(faults.map(({ path, line, sentence }) => `${path}:${line}: ${sentence}`)).toEqual([]);
});

test("time, dice and the environment are banned where they are not injected", () => {
  const code = "// Date.now() in a comment\nconst text = 'Math.random';\nDate.now();\n";
  expect(at(bannedText, { "state/src/a.ts": code })).toEqual(["state/src/a.ts:3"]);
  expect(at(bannedText, { "state/src/a.ts": "process.env\nsetTimeout(f)" })).toHaveLength(2);
  for (const path of ["state/src/a.test.ts", "state/src/main.ts", "scripts/a.ts", "e2e/b.ts"]) {
    expect(at(bannedText, { [path]: "Date.now(); process.env" })).toEqual([]);
  }
  expect(at(bannedText, { "benchmarks/replica/a.ts": "Math.random()" })).toHaveLength(1);
});

test("module mocks, lone tests and markers of unfinished work are banned everywhere", () => {
  expect(at(bannedText, { "a/b.test.ts": "mock.module('x')\ntest.only('y')" })).toHaveLength(2);
  expect(at(bannedText, { "docs/a.md": `one\n${"TO"}${"DO"} two` })).toEqual(["docs/a.md:2"]);
});

test("a file that no other names is dead, unless it is a root", () => {
  const tree = {
    "a/package.json": '{ "exports": { ".": "./src/index.ts" } }',
    "a/src/index.ts": 'export { x } from "./used.ts";',
    "a/src/used.ts": 'spawn(join(import.meta.dir, "child.ts"))',
    "a/src/child.ts": "",
    "a/src/dead.ts": "",
    "a/src/alone.test.ts": "",
    "a/src/main.ts": "",
  };
  expect(at(deadFiles, tree)).toEqual(["a/src/dead.ts:1"]);
});

test("a relative import may not leave its package, but for tests of the whole", () => {
  const code = 'import { x } from "./a.ts";\nimport { y } from "../../state/src/b.ts";\n';
  expect(at(boundaries, { "gateway/src/a.ts": code })).toEqual(["gateway/src/a.ts:2"]);
  expect(at(boundaries, { "e2e/a.ts": 'import "../scripts/x.ts"' })).toEqual([]);
});

test("an error thrown in a catch clause carries what was caught", () => {
  const lost = "try { f() } catch (error) {\n  throw new WarmpathError('a', 'b');\n}";
  expect(at(errorCauses, { "a/b.ts": lost })).toEqual(["a/b.ts:2"]);
  const kept = "try { f() } catch (cause) {\n  throw new WarmpathError('a', 'b', { cause });\n}";
  expect(at(errorCauses, { "a/b.ts": kept })).toEqual([]);
});

test("a metric is defined once", () => {
  const one = 'metrics.counter({ name: "warmpath_a_total" })';
  const tree = { "a/src/metrics.ts": one, "b/src/metrics.ts": `\n${one}`, "c/use.ts": one };
  expect(at(duplicateMetrics, tree)).toEqual(["b/src/metrics.ts:2"]);
});

test("paths of one machine are found, and URLs and container folders are not", () => {
  const path = `${"/ro"}ot/x and ${"/ho"}me/ann/y`;
  expect(at(machinePaths, { "a/b.md": path })).toHaveLength(2);
  expect(at(machinePaths, { "a/b.md": "https://host/home/x", "mesh/images/D": path })).toEqual([]);
});

test("names that say nothing are refused", () => {
  const tree = {
    "a/utils.ts": "",
    "a/helpers/x.ts": "",
    "proto/src/common.ts": "",
    "a/pool.ts": "",
  };
  expect(at(emptyFileNames, tree)).toEqual(["a/utils.ts:1", "a/helpers/x.ts:1"]);
});

test("a size rule is switched off only with a reason in the list, and no reason is left over", () => {
  const off = "// biome-ignore-all lint/style/noExcessiveLinesPerFile: a state machine\n";
  const rule = (reasons: Record<string, string>) => (files: readonly SourceFile[]) =>
    sizes(files, reasons);
  expect(at(rule({}), { "a/b.ts": off })).toEqual(["a/b.ts:1"]);
  expect(at(rule({ "a/b.ts": "one table" }), { "a/b.ts": off })).toEqual([]);
  expect(at(rule({ "a/b.ts": "one table" }), { "a/b.ts": "" })).toEqual(["a/b.ts:1"]);
});

test("long comment lines are a fault, and wrapping mends them within their paragraph", () => {
  const words = "word ".repeat(24).trim();
  const code = `  // ${words}\n  // and the end.\n  // - a list ${words}\nf(); // ${words}\n`;
  expect(at(sizes, { "a/b.ts": code })).toEqual(["a/b.ts:1", "a/b.ts:3"]);
  const wrapped = wrapComments(code).split("\n");
  expect(wrapped[1]).toEndWith("and the end.");
  expect(wrapped[2]).toBe(`  // - a list ${words}`);
  expect(wrapComments(`/** ${words} */`).split("\n")[0]).toBe("/**");
});

test("links must lead to a file and a heading that exist", () => {
  const text = "# One two!\n[a](b.md#gone) [b](b.md#here-it-is) [c](#one-two) [d](gone.md)\n";
  const tree = { "docs/a.md": text, "docs/b.md": "## Here it is\n" };
  const rule = (files: readonly SourceFile[]) =>
    brokenLinks(files, new Set(files.map(({ path }) => path)));
  expect(at(rule, tree)).toEqual(["docs/a.md:2", "docs/a.md:2"]);
});

test("a README names files that exist in its package", () => {
  const text = "1. `pick.ts`\n2. `gone.ts`\n3. `x.test.ts`, `.ts`\n";
  const paths = new Set(["a/README.md", "a/src/pick.ts", "b/gone.ts"]);
  const rule = (files: readonly SourceFile[]) => staleFileLists(files, paths);
  expect(at(rule, { "a/README.md": text })).toEqual(["a/README.md:2"]);
});

test("installs are the same everywhere: exact, single versions, no host, no scripts", () => {
  const npmrc = "ignore-scripts=true\nsave-exact=true\nomit-lockfile-registry-resolved=true\n";
  const good = { ".npmrc": npmrc, "package-lock.json": '{ "packages": {} }' };
  expect(at(packages, good)).toEqual([]);
  expect(at(packages, { ...good, ".npmrc": "" })).toHaveLength(3);
  const ranges = { "a/package.json": '{ "dependencies": { "x": "^1.0.0" } }' };
  expect(at(packages, { ...good, ...ranges })).toEqual(["a/package.json:1"]);
  const host = '{ "packages": { "node_modules/x": { "resolved": "https://host/x.tgz" } } }';
  expect(at(packages, { ...good, "package-lock.json": host })).toEqual(["package-lock.json:1"]);
});
