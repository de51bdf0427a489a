/** The chart as helm renders it for a run, sorted by who takes it. */
import { cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chartDir, findHelm } from "../../../helm.ts";
import type { KubeObject } from "../../kube-object.ts";

/** Longest route timeout of a run, in s. The chart's longest is minutes: longer than a run is. */
export const timeoutSecondsMax = 15;

/**
 * A copy of the chart whose matrix allows no call more than `timeoutSecondsMax`: in every other
 * respect the same, and a stream can be seen to outlive every timeout there is.
 */
export function copyChart(dir: string): string {
  const copy = join(dir, "chart");
  cpSync(chartDir, copy, { recursive: true });
  const path = join(copy, "files/matrix.yaml");
  const capped = readFileSync(path, "utf8").replaceAll(
    /timeoutSeconds: (\d+)/g,
    (_, seconds: string) => `timeoutSeconds: ${Math.min(Number(seconds), timeoutSecondsMax)}`,
  );
  writeFileSync(path, capped);
  return copy;
}

/** Renders the production values, and those of this level after them. */
export function renderObjects(chart: string, args: readonly string[]): readonly KubeObject[] {
  const helm = findHelm();
  if (helm === undefined) {
    throw new Error("helm is gone");
  }
  const command = [helm, "template", "warmpath", chart, "--namespace", "warmpath"];
  const values = existsSync(join(chart, "values-production.yaml"))
    ? ["--values", join(chart, "values-production.yaml")]
    : [];
  const ours = ["--values", join(import.meta.dir, "values.yaml")];
  const { exitCode, stdout, stderr } = Bun.spawnSync([...command, ...values, ...ours, ...args]);
  if (exitCode !== 0) {
    throw new Error(`helm: ${stderr.toString()}`);
  }
  // What helm prints is a stream of Kubernetes objects, some of them empty.
  const parsed = Bun.YAML.parse(stdout.toString()) as (KubeObject | null)[];
  return parsed.filter((each) => each !== null);
}

/** Istio's own kinds. */
export function isIstio({ apiVersion }: KubeObject): boolean {
  return /^(networking|security|telemetry)\.istio\.io\//.test(apiVersion);
}

/** Those of the Gateway API, which istiod reads beside its own. */
export function isGatewayApi({ apiVersion }: KubeObject): boolean {
  return apiVersion.startsWith("gateway.networking.k8s.io/");
}

/** Objects as text that Kubernetes' readers take: YAML holds JSON. */
export function asYaml(objects: readonly unknown[]): string {
  return objects.map((each) => JSON.stringify(each)).join("\n---\n");
}
