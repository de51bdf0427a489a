import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { chartDir, type HelmResult, helmBeside, withImage } from "../../helm.ts";

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

/** A file of values that must render. */
export interface ValidCase extends Installation {
  /** What the rendering has to hold, from the first line of the file. */
  readonly holds: RegExp;
}

const invalidDir = join(import.meta.dir, "invalid");
const validDir = join(import.meta.dir, "valid");

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
  return casesIn(invalidDir).map(({ name, path, first }) => ({ name, path, refusal: first }));
}

/**
 * Values that no value file of the chart has, those that were rendered wrong once among them; each
 * laid over all that production and the engines switch on. Throws for a file whose first line
 * states nothing.
 */
export function validCases(): readonly ValidCase[] {
  const below = ["values-production.yaml", "values-multi-gpu.yaml"];
  return casesIn(validDir).map(({ name, path, first }) => ({
    name: `valid/${name}`,
    files: [...below.map((file) => join(chartDir, file)), path],
    holds: first,
  }));
}

/** The value files of a folder, by name, with the expression that each begins with. */
function casesIn(dir: string): readonly { name: string; path: string; first: RegExp }[] {
  const names = readdirSync(dir).filter((name) => name.endsWith(".yaml"));
  return names.sort().map((name) => {
    const path = join(dir, name);
    const [first = ""] = readFileSync(path, "utf8").split("\n", 1);
    if (!/^# \S/.test(first)) {
      throw new Error(`${name}: its first line must be "# " and what helm's answer has to match`);
    }
    return { name, path, first: new RegExp(first.slice(2)) };
  });
}

/** `helm template` as an operator calls it, but for the image; undefined where there is no helm. */
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
  return withImage(files.flatMap((file) => ["-f", file]));
}
