// bun scripts/docs.ts            write docs/CONFIG.md, docs/METRICS.md and docs/MESH.md
// bun scripts/docs.ts --check    say which of them is not what the code says
//
// Options are the exported tables named `…Options`; metrics are what the exported functions named
// `create…Metrics(metrics)` define. Both are found by name, so a new service is in the documents as
// soon as it has one. The matrix of the mesh is a table of its own.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Metrics } from "@warmpath/runtime";
import type { Options } from "@warmpath/runtime/base";
import { repositoryFiles, root } from "./repository.ts";
import { isCode, isTest } from "./tidy/source-file.ts";

const generatedNote =
  "Generated from the code by `npm run docs`, and checked by `npm run check`: do not edit.";

const optionTable = /^export const (\w+Options)\b/gm;
const metricsFactory = /^export function (create\w+Metrics)\(\s*metrics: Metrics\b/gm;

interface Found {
  readonly path: string;
  readonly name: string;
  readonly value: unknown;
}

/** The documents by path, as the code says they should be. */
export async function renderDocs(): Promise<ReadonlyMap<string, string>> {
  const paths = (await repositoryFiles()).filter((path) => isCode(path) && !isTest(path));
  return new Map([
    ["docs/CONFIG.md", await renderConfig(await exportsMatching(paths.toSorted(), optionTable))],
    [
      "docs/METRICS.md",
      await renderMetrics(await exportsMatching(paths.toSorted(), metricsFactory)),
    ],
    ["docs/MESH.md", await renderMesh()],
  ]);
}

/** Sentences for the documents that differ from the code; none when all are up to date. */
export async function docsDrift(): Promise<readonly string[]> {
  const stale: string[] = [];
  for (const [path, wanted] of await renderDocs()) {
    const file = join(root, path);
    if (!existsSync(file) || readFileSync(file, "utf8") !== wanted) {
      stale.push(`${path} is not what the code says`);
    }
  }
  return stale;
}

/** Writes the documents that differ. */
export async function writeDocs(): Promise<void> {
  mkdirSync(join(root, "docs"), { recursive: true });
  for (const [path, text] of await renderDocs()) writeFileSync(join(root, path), text);
}

/** Only files whose text has a match are loaded: importing a command would run it. */
async function exportsMatching(
  paths: readonly string[],
  pattern: RegExp,
): Promise<readonly Found[]> {
  const found: Found[] = [];
  for (const path of paths) {
    const text = readFileSync(join(root, path), "utf8");
    const names = [...text.matchAll(pattern)].flatMap(([, name]) => name ?? []);
    if (names.length === 0) continue;
    // A module's exports have no static type when its path is computed.
    const module = (await import(join(root, path))) as Record<string, unknown>;
    for (const name of names) found.push({ path, name, value: module[name] });
  }
  return found;
}

async function renderConfig(found: readonly Found[]): Promise<string> {
  const { renderOptionsMarkdown } = await import("@warmpath/runtime/base");
  const seen = new Set<unknown>();
  const sections: string[] = [];
  for (const { path, name, value } of found) {
    if (!isOptions(value)) continue;
    // A composed table repeats the options of its parts: each is documented where it is declared.
    const own = Object.fromEntries(Object.entries(value).filter(([, each]) => !seen.has(each)));
    for (const each of Object.values(own)) seen.add(each);
    if (Object.keys(own).length === 0) continue;
    sections.push(`${heading(path, name)}\n\n${renderOptionsMarkdown(own)}\n`);
  }
  const intro = `# Configuration\n\n${generatedNote}\n
Every setting is an environment variable; those of the command line are flags too, and a flag wins.
Unknown \`WARMPATH_*\` names are refused, and all faults are reported at once.\n`;
  return withoutMachine(`${intro}\n${sections.join("\n")}`);
}

function isOptions(value: unknown): value is Options {
  if (typeof value !== "object" || value === null) return false;
  const each = Object.values(value);
  return each.length > 0 && each.every((entry) => typeof entry?.env === "string" && "doc" in entry);
}

async function renderMetrics(found: readonly Found[]): Promise<string> {
  // Loaded here, so that code that does not load yet fails this step and no other.
  const { createMetrics, renderMetricsMarkdown } = await import("@warmpath/runtime");
  const sections = found.map(({ path, name, value }) => {
    const metrics = createMetrics("docs");
    // The pattern that found it names the parameter's type; some need more, given by the service.
    (value as (metrics: Metrics, ...rest: unknown[]) => unknown)(metrics);
    return `${heading(path, name)}\n\n${renderMetricsMarkdown(metrics.describe())}\n`;
  });
  const intro = `# Metrics\n\n${generatedNote}\n
Prometheus text at \`/metrics\` of every service; each sample carries the label \`service\`. The
process's own metrics (memory, event loop) are there too, with the prefix \`warmpath_process_\`.\n`;
  return `${intro}\n${sections.join("\n")}`;
}

async function renderMesh(): Promise<string> {
  // Of a package without a door, like the tables above: reached by its path, and so without a type.
  const module = (await import(join(root, "mesh/matrix-document.ts"))) as {
    renderMatrixDocument(note: string): string;
  };
  return module.renderMatrixDocument(generatedNote.replace("the code", "`mesh/matrix.yaml`"));
}

function heading(path: string, name: string): string {
  const owner = path.split("/")[0] === "scripts" ? "system" : path.split("/")[0];
  const subject = name
    .replace(/^create|Options$|Metrics$/g, "")
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase();
  const title = subject === owner || subject === "" ? owner : `${owner}: ${subject}`;
  return `## ${title}\n\nDeclared in [${path}](../${path}).`;
}

/** A default inside the checkout is told relative to it. */
function withoutMachine(text: string): string {
  return text.replaceAll(`${root}/`, "");
}

if (import.meta.main) {
  if (process.argv[2] === "--check") {
    const stale = await docsDrift();
    for (const sentence of stale) console.error(sentence);
    if (stale.length > 0) process.exitCode = 1;
  } else await writeDocs();
}
