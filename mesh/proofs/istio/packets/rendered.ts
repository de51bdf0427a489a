/** The chart as helm renders it for a run, sorted by who takes it. */
import { join } from "node:path";
import { chartDir, findHelm } from "../../../helm.ts";
import { type KubeObject, parseObjects } from "../../kube-object.ts";

/** Longest route timeout of a run, in s. The chart's longest is minutes: longer than a run is. */
export const timeoutSecondsMax = 15;

/** Renders the production values, and those of this level after them, with timeouts cut. */
export function renderObjects(): readonly KubeObject[] {
  const helm = findHelm();
  if (helm === undefined) {
    throw new Error("helm is gone");
  }
  const command = [helm, "template", "warmpath", chartDir, "--namespace", "warmpath"];
  const values = [join(chartDir, "values-production.yaml"), join(import.meta.dir, "values.yaml")];
  const { exitCode, stdout, stderr } = Bun.spawnSync([
    ...command,
    ...values.flatMap((path) => ["--values", path]),
  ]);
  if (exitCode !== 0) {
    throw new Error(`helm: ${stderr.toString()}`);
  }
  return parseObjects(stdout.toString()).map(withTimeoutsCut);
}

/**
 * The object with no route timeout above `timeoutSecondsMax`: in every other respect the same, and
 * a stream can be seen to outlive every timeout there is.
 */
export function withTimeoutsCut(object: KubeObject): KubeObject {
  const isRoute = object.kind === "VirtualService" || object.kind === "HTTPRoute";
  // What is cut out of an object is an object.
  return isRoute ? { ...object, spec: cut(object.spec) as Record<string, unknown> } : object;
}

/** Seconds, under the names that both kinds of routes have for a call's whole time. */
function cut(value: unknown, name = ""): unknown {
  if (Array.isArray(value)) {
    return value.map((each) => cut(each));
  }
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, cut(each, key)]));
  }
  const isTimeout = name === "timeout" || name === "request";
  return isTimeout && Number.parseInt(String(value), 10) > timeoutSecondsMax
    ? `${timeoutSecondsMax}s`
    : value;
}

/** Istio's own kinds. */
export function isIstio({ apiVersion }: KubeObject): boolean {
  return /^(networking|security|telemetry)\.istio\.io\//.test(apiVersion);
}

/** Those of the Gateway API, which istiod reads beside its own. */
export function isGatewayApi({ apiVersion }: KubeObject): boolean {
  return apiVersion.startsWith("gateway.networking.k8s.io/");
}
