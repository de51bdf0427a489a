// Nodes as GPU feature discovery labels them, and the objects of values-multi-gpu.yaml on them.

import { type KubeObject, toYaml } from "../kube-object.ts";
import { scaleToMinimum } from "./autoscaled-replicas.ts";
import type { Kubectl } from "./kubectl.ts";
import { assert, at, nodeOf } from "./lab.ts";
import type { NodeShape } from "./nodes.ts";
import { until } from "./processes.ts";
import { fleet, renderObjects } from "./rendered.ts";

/** A class of values-multi-gpu.yaml and a node that has what it asks for. */
export interface GpuClass {
  readonly name: string;
  readonly product: string;
  readonly resource: string;
  readonly gpus: number;
}

const whole = "nvidia.com/gpu";

/** One node of each class; the product is the label's value on such a machine. */
export const gpuClasses: readonly GpuClass[] = [
  { name: "t4", product: "Tesla-T4", resource: whole, gpus: 4 },
  { name: "l4", product: "NVIDIA-L4", resource: whole, gpus: 4 },
  // Eight A100 of two slices each.
  {
    name: "a100-slice",
    product: "NVIDIA-A100-SXM4-80GB",
    resource: "nvidia.com/mig-3g.40gb",
    gpus: 16,
  },
  { name: "h100", product: "NVIDIA-H100-80GB-HBM3", resource: whole, gpus: 8 },
  { name: "h200", product: "NVIDIA-H200", resource: whole, gpus: 8 },
];

/** A tainted node of a class. */
export function gpuNode(name: string, gpu: GpuClass): NodeShape {
  const labels = { "nvidia.com/gpu.product": gpu.product };
  return { name, labels, gpus: gpu.gpus, gpuResource: gpu.resource, isTainted: true };
}

/** What values-multi-gpu.yaml renders, with the storage classes that its volumes name. */
export async function installFleet(kubectl: Kubectl, namespace: string): Promise<void> {
  const objects = renderObjects(fleet, namespace);
  const classes = new Set(
    objects
      .filter(({ kind }) => kind === "PersistentVolumeClaim")
      .map((each) => String(at(each, "spec", "storageClassName"))),
  );
  await kubectl.mustApply([...classes].map(storageClass));
  await kubectl.mustApply(toYaml(objects), "-n", namespace);
  await scaleToMinimum(kubectl, objects, namespace);
}

/** The engine Deployment of a class, as values-multi-gpu.yaml renders it, changed by `set`. */
export function engineOf(className: string, namespace: string, set = ""): KubeObject {
  const name = `warmpath-vllm-${className}`;
  const found = renderObjects(fleet, namespace, set).find(
    ({ kind, metadata }) => kind === "Deployment" && metadata.name === name,
  );
  assert(found !== undefined, `values-multi-gpu.yaml renders no Deployment ${name}`);
  return found;
}

/** A pod of an engine Deployment with changes in its spec, made by hand. */
export function enginePod(engine: KubeObject, name: string, changes: object): object {
  const template = at(engine, "spec", "template", "spec") as Readonly<Record<string, unknown>>;
  // Neither the account nor the volumes decide where it goes.
  const containers = (template["containers"] as readonly object[]).map((each) => ({
    ...each,
    volumeMounts: [],
  }));
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name },
    spec: { ...template, serviceAccountName: "default", volumes: [], containers, ...changes },
  };
}

/** Waits until a pod has a node, and gives its name. */
export async function placed(kubectl: Kubectl, namespace: string, pod: string): Promise<string> {
  let node = "";
  await until(
    () => `${pod} is placed`,
    30_000,
    async () => {
      const [found] = await kubectl.list("pod", pod, "-n", namespace);
      node = found === undefined ? "" : nodeOf(found);
      return node !== "";
    },
  );
  return node;
}

/** Waits until the scheduler says that a pod has no place, and gives its reasons. */
export async function unplaced(kubectl: Kubectl, namespace: string, pod: string): Promise<string> {
  let why = "";
  await until(
    () => `${pod} is said to have no place`,
    30_000,
    async () => {
      const [found] = await kubectl.list("pod", pod, "-n", namespace);
      const conditions = (at(found, "status", "conditions") ?? []) as readonly unknown[];
      const scheduled = conditions.find((each) => at(each, "type") === "PodScheduled");
      assert(found === undefined || nodeOf(found) === "", `${pod} was placed`);
      why = at(scheduled, "status") === "False" ? String(at(scheduled, "message")) : "";
      return why !== "";
    },
  );
  return why;
}

/** Volumes of any class are made by kwok. */
function storageClass(name: string): object {
  return {
    apiVersion: "storage.k8s.io/v1",
    kind: "StorageClass",
    metadata: { name },
    provisioner: "kwok.x-k8s.io/volume",
    volumeBindingMode: "Immediate",
  };
}
