import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { chartDir, type HelmResult, helmBeside } from "../../helm.ts";

/** One way of installing the chart: a name for people, and the value files in helm's order. */
export interface Installation {
  readonly name: string;
  readonly files: readonly string[];
}

/** A file of values that must be refused. */
export interface InvalidCase {
  readonly name: string;
  readonly path: string;
  /** What the refusal has to say, from the first line of the file. */
  readonly refusal: RegExp;
}

const invalidDir = join(import.meta.dir, "invalid");

/** Value files that are meant to follow values-production.yaml. */
const overlays = ["values-multi-gpu.yaml", "values-ambient.yaml", "values-second-cluster.yaml"];

/** Every value file of the chart by itself, and each overlay as its header says to use it. */
export function installations(): readonly Installation[] {
  const files = readdirSync(chartDir).filter((name) => /^values-.*\.yaml$/.test(name));
  const pathOf = (name: string) => join(chartDir, name);
  return [
    ...files.sort().map((name) => ({ name, files: [pathOf(name)] })),
    ...overlays.map((name) => ({
      name: `values-production.yaml + ${name}`,
      files: ["values-production.yaml", name].map(pathOf),
    })),
  ];
}

/** The corpus of invalid values. Throws for a file whose first line states no refusal. */
export function invalidCases(): readonly InvalidCase[] {
  const names = readdirSync(invalidDir).filter((name) => name.endsWith(".yaml"));
  return names.sort().map((name) => {
    const path = join(invalidDir, name);
    const [first = ""] = readFileSync(path, "utf8").split("\n", 1);
    if (!/^# \S/.test(first)) {
      throw new Error(`${name}: its first line must be "# " and what the refusal says`);
    }
    return { name, path, refusal: new RegExp(first.slice(2)) };
  });
}

/** `helm template` as an operator would call it; undefined where there is no helm. */
export function renderInstallation(files: readonly string[]): Promise<HelmResult | undefined> {
  return helmBeside(["template", "warmpath", chartDir, "-n", "warmpath", ...flagsOf(files)]);
}

/** `helm lint --strict` with those value files; undefined where there is no helm. */
export function lintInstallation(files: readonly string[]): Promise<HelmResult | undefined> {
  return helmBeside(["lint", "--strict", chartDir, ...flagsOf(files)]);
}

/**
 * Whether the chart refuses a case for its reason, laid over a value file that is accepted;
 * undefined when it does, else what happened.
 */
export async function refusalFault({
  name,
  path,
  refusal,
}: InvalidCase): Promise<string | undefined> {
  const result = await renderInstallation([join(chartDir, "values-pilot.yaml"), path]);
  if (result === undefined) {
    return `${name}: not tried, there is no helm`;
  }
  if (result.exitCode === 0) {
    return `${name}: was accepted`;
  }
  return refusal.test(result.stderr)
    ? undefined
    : `${name}: expected ${refusal} but got: ${result.stderr.trim().slice(0, 400)}`;
}

function flagsOf(files: readonly string[]): readonly string[] {
  return files.flatMap((file) => ["-f", file]);
}
