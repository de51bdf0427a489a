// Goal: docs/DEPLOY.md says what each value means, which value file is for what, and what each
// service's readiness asks; what it tells an operator to write renders, where there is a helm.

import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chartDir, findHelm, helmBeside, helmMissing, withImage } from "./helm.ts";
import { readServiceTable } from "./service-table.ts";

const hasHelm = findHelm() !== undefined;
if (!hasHelm) {
  process.stdout.write(`skipped: half of deploy-doc.test.ts. ${helmMissing}\n`);
}
const helmTest = test.skipIf(!hasHelm);

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

/** Each of these calls helm several times: a second or two, and more on a machine that is busy. */
const helmMs = 30_000;

helmTest(
  "the operator's own file, as it is shown, is what production lacks",
  async () => {
    const [, shown = ""] = /```yaml\n(image:[\s\S]*?)```/.exec(text) ?? [];
    const folder = mkdtempSync(join(tmpdir(), "warmpath-deploy-doc-"));
    try {
      const file = join(folder, "yours.yaml");
      const helm = async () => {
        const values = ["-f", join(chartDir, "values-production.yaml"), "-f", file];
        return await helmBeside(["template", "warmpath", chartDir, "-n", "warmpath", ...values]);
      };
      writeFileSync(file, shown);
      expect((await helm())?.stderr).toMatch(/image\/digest/);
      writeFileSync(file, shown.replace("AS-DOCKER-PUSH-PRINTED-IT", "1".repeat(64)));
      const { exitCode, stderr } = (await helm()) ?? {};
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
  helmMs,
);

helmTest(
  "each setting that is shown is one of the chart's",
  async () => {
    const shown = [...text.matchAll(/--set ((?:upstreams|canary|image)\.[^`\s]+)/g)];
    expect(shown.length).toBeGreaterThan(1);
    for (const [, setting = ""] of shown) {
      const args = withImage(["-f", join(chartDir, "values-production.yaml")]);
      const given = ["--set", setting.replaceAll("'", "")];
      const result = await helmBeside(["template", "warmpath", chartDir, ...args, ...given]);
      expect([setting, result?.exitCode, result?.stderr]).toEqual([setting, 0, ""]);
    }
  },
  helmMs,
);

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
