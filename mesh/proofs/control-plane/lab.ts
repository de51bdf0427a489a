import type { KubeObject } from "../kube-object.ts";
import type { Cluster } from "./cluster.ts";
import type { Kubectl } from "./kubectl.ts";
import { until } from "./processes.ts";

/** What every check is given. */
export interface Lab {
  readonly cluster: Cluster;
  readonly kubectl: Kubectl;
}

/** One thing that is true of the chart at a real API server. */
export interface Check {
  readonly name: string;
  /** Throws what was found in place of it. */
  run(lab: Lab): Promise<void>;
}

/**
 * Makes a namespace for a check, under the restricted pod security standard: a pod that does not
 * meet it is not created.
 */
export async function makeNamespace(kubectl: Kubectl, name: string): Promise<void> {
  const labels = { "pod-security.kubernetes.io/enforce": "restricted" };
  await kubectl.mustApply([{ apiVersion: "v1", kind: "Namespace", metadata: { name, labels } }]);
  // No pod is taken before its namespace's account is there.
  await until(
    () => `the namespace ${name} has its account`,
    30_000,
    async () =>
      (await kubectl.run(["get", "serviceaccount", "default", "-n", name])).exitCode === 0,
  );
}

/** Throws `sentence` unless `isTrue`. */
export function assert(isTrue: boolean, sentence: string): asserts isTrue {
  if (!isTrue) {
    throw new Error(sentence);
  }
}

/** A value deep inside an object, as the Kubernetes API defines it; undefined where it is not. */
export function at(object: unknown, ...path: readonly (string | number)[]): unknown {
  let found: unknown = object;
  for (const key of path) {
    if (typeof found !== "object" || found === null) {
      return undefined;
    }
    found = (found as Readonly<Record<string | number, unknown>>)[key];
  }
  return found;
}

/** Name of the node that a pod is on; empty: none yet. */
export function nodeOf(pod: KubeObject): string {
  return String(at(pod, "spec", "nodeName") ?? "");
}

/** True when the pod serves and is not about to end. */
export function isReady(pod: KubeObject): boolean {
  const conditions = (at(pod, "status", "conditions") ?? []) as readonly unknown[];
  const isReadyCondition = (each: unknown) =>
    at(each, "type") === "Ready" && at(each, "status") === "True";
  return (
    conditions.some(isReadyCondition) && at(pod, "metadata", "deletionTimestamp") === undefined
  );
}
