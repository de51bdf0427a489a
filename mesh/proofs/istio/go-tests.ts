import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "../../../scripts/repository.ts";
import { findGo, goMissing } from "../go.ts";
import type { ProofResult } from "../step.ts";

/** Built once and kept: cold about ten minutes, 20 s after an edit. */
const binary = join(import.meta.dir, ".bin/istio.test");

/** What is missing of Go, where these tests are not built yet. */
export function goTestsMissing(): string | undefined {
  return areBuilt() ? undefined : goMissing();
}

/** Builds the tests of this folder, unless what was built is newer than its sources. */
export async function buildGoTests(say: (line: string) => void): Promise<string> {
  if (areBuilt()) {
    return binary;
  }
  say("building with go: about ten minutes the first time, 20 s after an edit");
  const go = findGo() ?? "go";
  const build = [go, "test", "-c", "-o", binary, "."];
  const { exitCode, text } = await runCommand(build, { cwd: import.meta.dir });
  if (exitCode !== 0) {
    throw new Error(`go test -c: ${text}`);
  }
  return binary;
}

function areBuilt(): boolean {
  const sources = readdirSync(import.meta.dir).filter((name) =>
    /\.go$|^go\.(mod|sum)$/u.test(name),
  );
  const newestMs = Math.max(
    ...sources.map((name) => statSync(join(import.meta.dir, name)).mtimeMs),
  );
  return existsSync(binary) && statSync(binary).mtimeMs > newestMs;
}

/**
 * Runs the tests of these names, and counts those with none below them. The output is kept out of
 * sight but for what tests say of their failures.
 */
export async function runGoTests(
  names: readonly string[],
  env: Readonly<Record<string, string>>,
  say: (line: string) => void,
): Promise<ProofResult> {
  const built = await buildGoTests(say);
  const { exitCode, text } = await runCommand(
    [built, "-test.v", "-test.run", `^(${names.join("|")})$`, "-test.timeout", "20m"],
    { cwd: import.meta.dir, env },
  );
  const result = readGoOutput(text);
  if (exitCode !== 0 && result.failures.length === 0) {
    return { ...result, failures: [`status ${exitCode}: ${text.slice(-2000)}`] };
  }
  const absent = testsAbsent(text, names).map((name) => `${name}: there is no such test`);
  return { ...result, failures: [...result.failures, ...absent] };
}

/** Names that `go test -v` says nothing of: it is content with a pattern that matches nothing. */
export function testsAbsent(output: string, names: readonly string[]): readonly string[] {
  return names.filter((name) => !output.includes(`=== RUN   ${name}\n`));
}

/** Reads `go test -v`: tests with none below them that passed, and what failed ones said. */
export function readGoOutput(output: string): ProofResult {
  const said = new Map<string, string[]>();
  const ended: { name: string; verdict: string }[] = [];
  let current = "";
  for (const line of output.split("\n")) {
    current = /^=== (?:RUN|NAME|CONT) +(.*)$/u.exec(line)?.[1] ?? current;
    const end = /^ *--- (PASS|FAIL|SKIP): (.*) \([\d.]+s\)$/u.exec(line);
    const message = /^ +\w+_test\.go:\d+: (.*)$/u.exec(line)?.[1];
    if (end !== null) {
      ended.push({ verdict: end[1] ?? "", name: end[2] ?? "" });
    } else if (message !== undefined) {
      said.set(current, [...(said.get(current) ?? []), message]);
    }
  }
  const isLeaf = (name: string) => ended.every((other) => !other.name.startsWith(`${name}/`));
  const leaves = ended.filter(({ name }) => isLeaf(name));
  const worded = ({ name }: { name: string }) =>
    `${name}: ${(said.get(name) ?? ["failed"]).join("; ")}`;
  return {
    passed: leaves.filter(({ verdict }) => verdict === "PASS").length,
    failures: [
      ...ended.filter(
        ({ verdict, name }) => verdict === "FAIL" && (isLeaf(name) || said.has(name)),
      ),
      // Nothing is skipped quietly: a step that cannot run says so before it starts.
      ...leaves.filter(({ verdict }) => verdict === "SKIP"),
    ].map(worded),
  };
}
