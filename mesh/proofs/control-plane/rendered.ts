import { helmMissing, renderChart } from "../../helm.ts";
import { type KubeObject, parseObjects } from "../kube-object.ts";
import { type Installation, installations, validCases } from "../render/value-files.ts";

/** The installation whose services the checks of eviction and drain look at. */
export const production = "values-production.yaml";
/** The installation with every class of GPU, on top of the former. */
export const fleet = "values-production.yaml + values-multi-gpu.yaml";

/** Names of every installation and of every case that must render: render/value-files.ts. */
export function installationNames(): readonly string[] {
  return everyInstallation().map(({ name }) => name);
}

function everyInstallation(): readonly Installation[] {
  return [...installations(), ...validCases()];
}

/**
 * What the chart gives Kubernetes for an installation in a namespace, with `set` as helm's `--set`
 * takes it. Throws what helm said when it refuses.
 */
export function renderObjects(name: string, namespace: string, set = ""): readonly KubeObject[] {
  const key = `${namespace} ${name} ${set}`;
  const known = rendered.get(key) ?? render(name, namespace, set);
  rendered.set(key, known);
  return known;
}

// Rendering is a second of work, and gives the same each time.
const rendered = new Map<string, readonly KubeObject[]>();

function render(name: string, namespace: string, set: string): readonly KubeObject[] {
  const found = everyInstallation().find((each) => each.name === name);
  if (found === undefined) {
    throw new Error(`there is no installation ${name}`);
  }
  const settings = set === "" ? [] : ["--set", set];
  const result = renderChart([...helmArgs(found, namespace), ...settings]);
  if (result === undefined) {
    throw new Error(helmMissing);
  }
  if (result.exitCode !== 0) {
    throw new Error(`helm template, ${name}: ${result.stderr.trim()}`);
  }
  return parseObjects(result.stdout);
}

function helmArgs({ files }: Installation, namespace: string): readonly string[] {
  return ["--namespace", namespace, ...files.flatMap((file) => ["--values", file])];
}

/** Namespaces that the objects name themselves, beside the release's. */
export function namespacesOf(objects: readonly KubeObject[]): readonly string[] {
  const named = objects.map(({ metadata }) => metadata.namespace ?? "");
  return [...new Set(named)].filter((name) => name !== "");
}
