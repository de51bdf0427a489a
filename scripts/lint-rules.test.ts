// The import directions of docs/ARCHITECTURE.md are lint rules: each is provoked here once, because
// a pattern that matches nothing looks exactly like a rule that is kept.

import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { packageBin, root, runCommand } from "./repository.ts";

const folder = mkdtempSync(join(tmpdir(), "warmpath-lint-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The rules that fire on each text, as if it were the file of the repository at its path. */
async function rulesThatFire(
  probes: readonly (readonly [path: string, text: string])[],
): Promise<readonly (readonly string[])[]> {
  const config = JSON.parse(readFileSync(join(root, "biome.json"), "utf8"));
  const copy = { ...config, $schema: undefined, vcs: { enabled: false } };
  const files = probes.map(([path, text], index) => {
    const file = path.replace(/\.ts$/, `-${index}.ts`);
    mkdirSync(join(folder, dirname(file)), { recursive: true });
    writeFileSync(join(folder, file), text);
    return file;
  });
  writeFileSync(join(folder, "biome.json"), JSON.stringify(copy));
  const { text } = await runCommand(
    [packageBin("biome"), "lint", "--reporter=github", "--max-diagnostics=none", ...files],
    { cwd: folder },
  );
  const fired = [...text.matchAll(/title=lint\/\w+\/(\w+),file=([^,]+),/g)];
  return files.map((file) =>
    fired.flatMap(([, rule = "", at]) => (at === join(folder, file) ? rule : [])),
  );
}

const forbidden: readonly (readonly [path: string, imported: string])[] = [
  ["proto/src/probe.ts", "@warmpath/runtime"],
  ["runtime/src/probe.ts", "@warmpath/state"],
  ["runtime/src/base/probe.ts", "@warmpath/proto/common"],
  ["runtime/src/base/probe.ts", "../health.ts"],
  ["state/src/probe.ts", "@warmpath/gateway"],
  ["orchestrator/src/probe.ts", "@warmpath/state"],
  ["orchestrator/src/probe.ts", "@warmpath/inference-proxy"],
  ["gateway/src/probe.ts", "@warmpath/state/log"],
  ["inference-proxy/src/probe.ts", "@warmpath/state"],
  ["inference-proxy/src/pick/probe.ts", "@warmpath/runtime"],
  ["inference-proxy/src/learn/probe.ts", "node:fs"],
  ["inference-proxy/src/prompt/probe.ts", "../upstream/pool.ts"],
  ["e2e/probe.ts", "@warmpath/gateway/src/limits/x.ts"],
];

const allowed: readonly (readonly [path: string, imported: string])[] = [
  ["orchestrator/src/probe.ts", "@warmpath/state/log"],
  ["inference-proxy/src/pick/probe.ts", "@warmpath/runtime/base"],
  ["gateway/src/probe.ts", "@warmpath/proto/gateway"],
  ["benchmarks/probe.ts", "@warmpath/inference-proxy"],
];

test("imports against the direction of the layers are refused", async () => {
  const rules = await rulesThatFire(
    forbidden.map(([path, imported]) => [path, `import "${imported}";\n`]),
  );
  const unnoticed = forbidden.filter((_, index) => !rules[index]?.includes("noRestrictedImports"));
  expect(unnoticed).toEqual([]);
});

test("imports along the direction of the layers pass", async () => {
  const rules = await rulesThatFire(
    allowed.map(([path, imported]) => [path, `import "${imported}";\n`]),
  );
  const refused = allowed.filter((_, index) => rules[index]?.includes("noRestrictedImports"));
  expect(refused).toEqual([]);
});

test("the style rules fire", async () => {
  const text = `export default function probe(value: any) { return value; }
export enum Kind { One }
export class Probe { constructor(private readonly kind: Kind) {} }
export * from "./x.ts";
export const long = () => {
${"  probe(1);\n".repeat(80)}};
${"probe(1);\n".repeat(400)}`;
  const [rules] = await rulesThatFire([["state/src/ProbeFile.ts", text]]);
  const wanted = [
    "noExplicitAny",
    "noDefaultExport",
    "noEnum",
    "noParameterProperties",
    "noReExportAll",
    "noExcessiveLinesPerFunction",
    "noExcessiveLinesPerFile",
    "useFilenamingConvention",
  ];
  expect(wanted.filter((rule) => !rules?.includes(rule))).toEqual([]);
});
