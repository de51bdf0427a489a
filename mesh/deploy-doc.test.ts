// Goal: docs/DEPLOY.md says what each value means, and which value file is for what.

import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { chartDir } from "./helm.ts";

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
