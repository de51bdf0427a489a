// Where engines go: the GPU they were sized for, the fullest node that has room, and before batch.

import {
  engineOf,
  enginePod,
  type GpuClass,
  gpuClasses,
  gpuNode,
  installFleet,
  placed,
  unplaced,
} from "./gpu-fleet.ts";
import type { Kubectl } from "./kubectl.ts";
import { assert, at, type Check, isReady, type Lab, nodeOf } from "./lab.ts";
import { type NodeShape, onNodes } from "./nodes.ts";
import { until } from "./processes.ts";
import { fleet, renderObjects } from "./rendered.ts";

const namespace = "gpus";
const h100 = gpuClasses.find(({ name }) => name === "h100") as GpuClass;
const l4 = gpuClasses.find(({ name }) => name === "l4") as GpuClass;

/** Placement by class, packing by the chart's scheduler profile, and preemption. */
export const gpuSchedulingChecks: readonly Check[] = [
  {
    name: "the chart's scheduler profile is taken by a kube-scheduler, and with a misspelt field it is not",
    run: startPackingScheduler,
  },
  {
    name: "every engine of values-multi-gpu.yaml is ready on a node with its GPU, and nothing else is there",
    run: ({ kubectl }) => onNodes(kubectl, namespace, wholeFleet(), () => placeEveryClass(kubectl)),
  },
  {
    name: "an engine without its toleration or without its GPU has no place",
    run: ({ kubectl }) =>
      onNodes(kubectl, namespace, [gpuNode("only", h100)], () => refusePlace(kubectl)),
  },
  {
    name: "engines that share a GPU under MPS go to the node that shares it, as many as it says",
    run: ({ kubectl }) => onNodes(kubectl, namespace, mpsNodes, () => shareGpu(kubectl)),
  },
  {
    name: "of two nodes in use the fuller one is taken until it is full; the default scheduler takes the emptier",
    run: ({ kubectl }) =>
      onNodes(kubectl, namespace, [gpuNode("fuller", h100), gpuNode("emptier", h100)], () =>
        packTight(kubectl),
      ),
  },
  {
    name: "interactive takes the only GPU from batch, and batch takes it from nobody",
    run: ({ kubectl }) =>
      onNodes(kubectl, namespace, [gpuNode("only", { ...l4, gpus: 1 })], () =>
        preemptBatch(kubectl),
      ),
  },
];

// A whole GPU, and one that the device plugin hands out as two and labels accordingly.
const h200 = { name: "h200", product: "NVIDIA-H200", resource: "nvidia.com/gpu", gpus: 2 };
const shared = gpuNode("shared", { ...h200, product: "NVIDIA-H200-SHARED" });
const strategy = { "nvidia.com/gpu.sharing-strategy": "mps" };
const mpsNodes: readonly NodeShape[] = [
  gpuNode("whole", h200),
  { ...shared, labels: { ...shared.labels, ...strategy } },
];

// The second class, which needs one GPU, on half of a larger one.
const mpsValues = ["mps=2", "memoryGiB=140", "products={NVIDIA-H200}"]
  .map((each) => `vllm.classes[1].${each}`)
  .join(",");

function wholeFleet(): readonly NodeShape[] {
  const engines = gpuClasses.map((gpu) => gpuNode(`gpu-${gpu.name}`, gpu));
  return [...engines, { name: "plain-a" }, { name: "plain-b" }];
}

async function startPackingScheduler({ cluster }: Lab): Promise<void> {
  const objects = renderObjects(fleet, namespace);
  const config = objects
    .filter(({ kind }) => kind === "ConfigMap")
    .map((each) => at(each, "data", "scheduler-config.yaml"))
    .find((each) => each !== undefined);
  assert(config !== undefined, "values-multi-gpu.yaml renders no scheduler-config.yaml");
  const sound = Bun.YAML.parse(String(config)) as object;
  let refusal = "it was taken";
  await cluster.startScheduler("misspelt", { ...sound, porfiles: [] }).catch((error: unknown) => {
    refusal = String(error);
  });
  assert(/unknown field .*porfiles/.test(refusal), `not refused for "porfiles": ${refusal}`);
  await cluster.startScheduler("packing", sound);
}

async function placeEveryClass(kubectl: Kubectl): Promise<void> {
  await installFleet(kubectl, namespace);
  let late = "";
  await until(
    () => `every pod is ready; not: ${late}`,
    90_000,
    async () => {
      const pods = await kubectl.list("pods", "-n", namespace);
      late = pods
        .filter((each) => !isReady(each))
        .map(({ metadata }) => metadata.name)
        .join(", ");
      return pods.length > gpuClasses.length && late === "";
    },
  );
  const pods = await kubectl.list("pods", "-n", namespace);
  for (const { name } of gpuClasses) {
    const nodes = pods
      .filter(({ metadata }) => metadata.name.startsWith(`warmpath-vllm-${name}-`))
      .map(nodeOf);
    const expected = `gpu-${name}`;
    assert(nodes.length > 0, `there is no engine of the class ${name}`);
    assert(
      nodes.every((node) => node === expected),
      `engines of ${name} are on ${nodes.join(", ")}, not on ${expected}`,
    );
  }
  const strangers = pods.filter(
    (pod) => nodeOf(pod).startsWith("gpu-") && !pod.metadata.name.startsWith("warmpath-vllm-"),
  );
  assert(strangers.length === 0, `on a GPU's node: ${strangers.map((each) => each.metadata.name)}`);
}

async function refusePlace(kubectl: Kubectl): Promise<void> {
  await install(kubectl);
  const engine = engineOf("h100", namespace);
  await create(kubectl, enginePod(engine, "intolerant", { tolerations: [] }));
  const taint = await unplaced(kubectl, namespace, "intolerant");
  assert(/untolerated taint/.test(taint), `it has no place for another reason: ${taint}`);
  await create(kubectl, enginePod(engineOf("h200", namespace), "elsewhere", {}));
  const affinity = await unplaced(kubectl, namespace, "elsewhere");
  assert(/didn't match Pod's node affinity/.test(affinity), `another reason: ${affinity}`);
}

async function shareGpu(kubectl: Kubectl): Promise<void> {
  await install(kubectl);
  const engine = engineOf("l4", namespace, mpsValues);
  for (const pod of ["first", "second"]) {
    await create(kubectl, enginePod(engine, pod, {}));
    const node = await placed(kubectl, namespace, pod);
    assert(node === "shared", `the ${pod} engine went to the node ${node}`);
  }
  await create(kubectl, enginePod(engine, "third", {}));
  const why = await unplaced(kubectl, namespace, "third");
  assert(/Insufficient nvidia.com\/gpu/.test(why), `it has no place for another reason: ${why}`);
}

async function packTight(kubectl: Kubectl): Promise<void> {
  await install(kubectl);
  const engine = engineOf("h100", namespace);
  const gpus = Number(
    at(engine, "spec", "template", "spec", "containers", 0, "resources", "limits", h100.resource),
  );
  assert(gpus === 2, `an engine of the class has ${gpus} GPUs; the counts below are for two`);
  // Four of eight in use on one node, two on the other.
  for (const [index, nodeName] of ["fuller", "fuller", "emptier"].entries()) {
    await create(kubectl, enginePod(engine, `tenant-${index}`, { nodeName }));
  }
  const order: string[] = [];
  for (const pod of ["first", "second", "third"]) {
    await create(kubectl, enginePod(engine, pod, {}));
    order.push(await placed(kubectl, namespace, pod));
  }
  assert(order.join() === "fuller,fuller,emptier", `engines went to ${order.join()}`);
  await kubectl.must(["delete", "pod", "first", "second", "third", "-n", namespace]);
  await create(kubectl, enginePod(engine, "spread", { schedulerName: "default-scheduler" }));
  const spread = await placed(kubectl, namespace, "spread");
  assert(spread === "emptier", `the default scheduler went to ${spread}: this shows nothing`);
}

async function preemptBatch(kubectl: Kubectl): Promise<void> {
  await install(kubectl);
  const engine = engineOf("l4", namespace);
  const inClass = (name: string, priority: string) =>
    enginePod(engine, name, { priorityClassName: `warmpath-${priority}` });
  await create(kubectl, inClass("batch", "batch"));
  await placed(kubectl, namespace, "batch");
  await create(kubectl, inClass("interactive", "interactive"));
  await placed(kubectl, namespace, "interactive");
  const left = await kubectl.list("pods", "-n", namespace);
  const names = left.map(({ metadata }) => metadata.name).join();
  assert(names === "interactive", `on the only GPU and beside it there are: ${names}`);
  await create(kubectl, inClass("late", "batch"));
  await unplaced(kubectl, namespace, "late");
  const [stays] = await kubectl.list("pod", "interactive", "-n", namespace);
  assert(stays !== undefined && isReady(stays), "batch pushed interactive out");
}

/** The priority classes alone: pods are made one by one. */
async function install(kubectl: Kubectl): Promise<void> {
  const classes = renderObjects(fleet, namespace).filter(({ kind }) => kind === "PriorityClass");
  assert(classes.length > 0, "values-multi-gpu.yaml renders no PriorityClass");
  await kubectl.mustApply(classes);
}

async function create(kubectl: Kubectl, pod: object): Promise<void> {
  await kubectl.must(["create", "-n", namespace, "-f", "-"], JSON.stringify(pod));
}
