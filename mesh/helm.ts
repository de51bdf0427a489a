import { existsSync } from "node:fs";
import { join } from "node:path";

/** What to say where there is no helm: what is not done, and how to get it. */
export const helmMissing =
  'The chart was not rendered: there is no helm on PATH or in .deps/bin. With Go, in the checkout: go build -C mesh/proofs/render/helm -o "$PWD/.deps/bin/" helm.sh/helm/v4/cmd/helm';

/** Folder of the one chart. */
export const chartDir = join(import.meta.dir, "chart");

/** What a run of helm came to. */
export interface HelmResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `helm template warmpath <chart> …args`, as an operator calls it; undefined without helm. */
export function renderAsGiven(args: readonly string[]): HelmResult | undefined {
  return runHelm(["template", "warmpath", chartDir, ...args]);
}

/** The same for tests and proofs, with an image where the value files leave it to the operator. */
export function renderChart(args: readonly string[]): HelmResult | undefined {
  return renderAsGiven(withImage(args));
}

/** `helm lint --strict <chart> …args`, likewise; undefined where there is no helm. */
export function lintChart(args: readonly string[]): HelmResult | undefined {
  return runHelm(["lint", "--strict", chartDir, ...withImage(args)]);
}

/**
 * Arguments of helm with a digest before them if they name values-production.yaml, whose place
 * holder the chart refuses. First, so that a digest of the caller's wins.
 */
export function withImage(args: readonly string[]): readonly string[] {
  const isProduction = args.some((each) => each.endsWith("values-production.yaml"));
  return isProduction ? ["--set", `image.digest=sha256:${"1".repeat(64)}`, ...args] : args;
}

/** The same of any command of helm, beside other work; undefined where there is no helm. */
export async function helmBeside(args: readonly string[]): Promise<HelmResult | undefined> {
  const helm = findHelm();
  if (helm === undefined) {
    return undefined;
  }
  const child = Bun.spawn([helm, ...args], { stdout: "pipe", stderr: "pipe" });
  // Who ends this process ends helm too.
  const stop = () => child.kill();
  process.once("exit", stop);
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  process.off("exit", stop);
  return { exitCode, stdout, stderr };
}

/** The helm on PATH, or the one that the checks have built. */
export function findHelm(): string | undefined {
  const built = join(import.meta.dir, "../.deps/bin/helm");
  return Bun.which("helm") ?? (existsSync(built) ? built : undefined);
}

function runHelm(args: readonly string[]): HelmResult | undefined {
  const helm = findHelm();
  if (helm === undefined) {
    return undefined;
  }
  const { exitCode, stdout, stderr } = Bun.spawnSync([helm, ...args]);
  return { exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
}
