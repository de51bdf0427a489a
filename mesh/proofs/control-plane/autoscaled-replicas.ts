// An upgrade does not take back what an autoscaler decided: the chart names no number for those.

import { type KubeObject, toYaml } from "../kube-object.ts";
import type { Kubectl } from "./kubectl.ts";
import { assert, at, type Check, type Lab, makeNamespace } from "./lab.ts";
import { production, renderObjects } from "./rendered.ts";

const namespace = "autoscaled";

export const autoscaledReplicasCheck: Check = {
  name: "a number of pods that an autoscaler has set outlives an upgrade with the same values",
  run: keepScaled,
};

/** KEDA does not run here: what it would hold at least of each of its targets is set by hand. */
export async function scaleToMinimum(
  kubectl: Kubectl,
  objects: readonly KubeObject[],
  namespace: string,
): Promise<void> {
  for (const each of objects.filter(({ kind }) => kind === "ScaledObject")) {
    const target = String(at(each, "spec", "scaleTargetRef", "name"));
    const count = String(at(each, "spec", "minReplicaCount") ?? 1);
    await kubectl.must(["scale", "deployment", target, `--replicas=${count}`, "-n", namespace]);
  }
}

async function keepScaled({ kubectl }: Lab): Promise<void> {
  const objects = renderObjects(production, namespace);
  const targets = objects
    .filter(({ kind }) => kind === "ScaledObject")
    .map((each) => String(at(each, "spec", "scaleTargetRef", "name")));
  assert(targets.length > 0, "production scales nothing");
  await makeNamespace(kubectl, namespace);
  await kubectl.mustApply(toYaml(objects), "-n", namespace);
  for (const target of targets) {
    await kubectl.must(["scale", "deployment", target, "--replicas=7", "-n", namespace]);
  }
  await kubectl.mustApply(toYaml(objects), "-n", namespace);
  const reset = (await kubectl.list("deployments", "-n", namespace))
    .filter(({ metadata }) => targets.includes(metadata.name))
    .filter((each) => at(each, "spec", "replicas") !== 7)
    .map(({ metadata }) => metadata.name);
  assert(reset.length === 0, `the upgrade set its own number for ${reset.join(", ")}`);
  await kubectl.must(["delete", "namespace", namespace, "--wait=false"]);
}
