import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ProofResult } from "../step.ts";

/** Built once and kept: cold about ten minutes, 20 s after an edit. */
const binary = join(import.meta.dir, ".bin/istio.test");

/** What to say where there is no Go and nothing was built before. */
export function goMissing(): string | undefined {
  return Bun.which("go") !== null || existsSync(binary)
    ? undefined
    : "there is no go on PATH; Go 1.26 or later from https://go.dev/dl (its first build here takes about ten minutes)";
}

/** Builds the tests of this folder, unless what was built is newer than its sources. */
export async function buildGoTests(say: (line: string) => void): Promise<string> {
  const sources = readdirSync(import.meta.dir).filter((name) =>
    /\.go$|^go\.(mod|sum)$/u.test(name),
  );
  const newestMs = Math.max(
    ...sources.map((name) => statSync(join(import.meta.dir, name)).mtimeMs),
  );
  if (existsSync(binary) && statSync(binary).mtimeMs > newestMs) {
    return binary;
  }
  say("building with go: about ten minutes the first time, 20 s after an edit");
  const { exitCode, output } = await runToEnd(["go", "test", "-c", "-o", binary, "."], {});
  if (exitCode !== 0) {
    throw new Error(`go test -c: ${output}`);
  }
  return binary;
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
  const { exitCode, output } = await runToEnd(
    [built, "-test.v", "-test.run", `^(${names.join("|")})$`, "-test.timeout", "20m"],
    env,
  );
  const result = readGoOutput(output);
  if (exitCode !== 0 && result.failures.length === 0) {
    return { ...result, failures: [`status ${exitCode}: ${output.slice(-2000)}`] };
  }
  const absent = testsAbsent(output, names).map((name) => `${name}: there is no such test`);
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

async function runToEnd(
  command: string[],
  env: Readonly<Record<string, string>>,
): Promise<{ exitCode: number; output: string }> {
  const child = Bun.spawn(command, {
    cwd: import.meta.dir,
    env: { ...process.env, ...env },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { exitCode, output: out + err };
}
