// Goal: docs/DEPLOY.md says what each value means, which value file is for what, and what each
// service's readiness asks.

import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { chartDir } from "./helm.ts";
import { readServiceTable } from "./service-table.ts";

const text = readFileSync(join(import.meta.dir, "../docs/DEPLOY.md"), "utf8");

test("every value of the chart has its line, and no line is of a value that is gone", () => {
  const values = Bun.YAML.parse(readFileSync(join(chartDir, "values.yaml"), "utf8"));
  const [, table = ""] = text.split("### What each value means");
  const rows = (table.split("\n### ")[0] ?? "").match(/^\| `.*?\|/gm) ?? [];
  const named = rows.flatMap((row) => [...row.matchAll(/`(\w+)`/g)].map(([, name]) => name ?? ""));
  // The chart's own values, an object of top-level keys.
  expect(named.sort()).toEqual(Object.keys(values as object).sort());
});

test("every value file has its line", () => {
  const files = readdirSync(chartDir).filter((name) => /^values-.*\.yaml$/.test(name));
  expect(files.filter((name) => !text.includes(`mesh/chart/${name}`))).toEqual([]);
});

test("the checks of each service's readiness are the ones that its sources add", () => {
  const [, section = ""] = text.split("### What readiness asks");
  const [table = ""] = section.split("\n### ");
  const names = (cell = "") => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? "");
  for (const { name } of readServiceTable()) {
    const row = table.split("\n").find((line) => line.startsWith(`| \`${name}\` |`)) ?? "";
    const [, , needed, optional] = row.split("|");
    const added = checksOf(name);
    expect([name, names(needed)]).toEqual([
      name,
      added.filter((each) => !each.isOptional).map((each) => each.name),
    ]);
    expect([name, names(optional)]).toEqual([
      name,
      added.filter((each) => each.isOptional).map((each) => each.name),
    ]);
  }
});

/** What the sources of a service say that its readiness looks at, in their order. */
function checksOf(service: string) {
  const folder = join(import.meta.dir, "..", service, "src");
  return [...new Bun.Glob("**/*.ts").scanSync(folder)]
    .filter((path) => !path.endsWith(".test.ts"))
    .flatMap((path) => [
      ...readFileSync(join(folder, path), "utf8").matchAll(
        /\bhealth\??\.check(Optional)?\(\s*"([^"]+)"/g,
      ),
    ])
    .map(([, optional, name = ""]) => ({ name, isOptional: optional !== undefined }));
}
