import { readdirSync } from "node:fs";
import { join } from "node:path";
import { chartDir, helmMissing, renderChart } from "../../helm.ts";
import type { KubeObject } from "./kubectl.ts";

// Files that name no engine would be refused by the chart before the API server sees them.
const exampleEngine = "upstreams.urls={http://engine.example:8000}";

/** The value files of the chart: `values-<name>.yaml` gives `<name>`. */
export function valueFiles(): readonly string[] {
  return readdirSync(chartDir)
    .map((file) => /^values-([a-z-]+)\.yaml$/.exec(file)?.[1])
    .filter((name) => name !== undefined)
    .sort();
}

/**
 * What the chart gives Kubernetes for a value file, or for its own defaults when that is undefined,
 * in a namespace. Throws what helm said when it refuses.
 */
export function renderObjects(
  valueFile: string | undefined,
  namespace: string,
): readonly KubeObject[] {
  const key = `${namespace} ${valueFile ?? ""}`;
  const known = rendered.get(key) ?? render(valueFile, namespace);
  rendered.set(key, known);
  return known;
}

// Rendering is a second of work, and gives the same each time.
const rendered = new Map<string, readonly KubeObject[]>();

function render(valueFile: string | undefined, namespace: string): readonly KubeObject[] {
  const values =
    valueFile === undefined
      ? ["--set", exampleEngine]
      : ["--values", join(chartDir, `values-${valueFile}.yaml`)];
  const result = renderChart(["--namespace", namespace, ...values]);
  if (result === undefined) {
    throw new Error(helmMissing);
  }
  if (result.exitCode !== 0) {
    throw new Error(`helm template, values ${valueFile ?? "none"}: ${result.stderr.trim()}`);
  }
  const documents = Bun.YAML.parse(result.stdout);
  // Objects of the Kubernetes API; the server checks them. An empty template leaves a null.
  const objects = (Array.isArray(documents) ? documents : [documents]) as (KubeObject | null)[];
  return objects.filter((each) => each !== null);
}

/** Namespaces that the objects name themselves, beside the release's. */
export function namespacesOf(objects: readonly KubeObject[]): readonly string[] {
  const named = objects.map(({ metadata }) => metadata.namespace ?? "");
  return [...new Set(named)].filter((name) => name !== "");
}
