import type { KubeObject } from "../kube-object.ts";
import type { Kubectl } from "./kubectl.ts";
import { at, isReady, makeNamespace } from "./lab.ts";
import { until } from "./processes.ts";

/** A node that exists at the API server alone; kwok answers for it and for its pods. */
export interface NodeShape {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Graphics processors; none when left out. */
  readonly gpus?: number;
  /** Resource that the processors are counted as. */
  readonly gpuResource?: string;
  /** True: taints it so that only who asks for a GPU comes. */
  readonly isTainted?: boolean;
}

/** What a node of a cluster of some size has; the pods of the chart fit many times. */
const plain = { cpu: "64", memory: "1Ti", pods: "110", "ephemeral-storage": "4Ti" };

/** Makes nodes and waits until they are ready. */
async function makeNodes(kubectl: Kubectl, shapes: readonly NodeShape[]): Promise<void> {
  await kubectl.must(
    ["create", "-f", "-"],
    shapes.map((each) => JSON.stringify(node(each))).join("\n---\n"),
  );
  let ready: readonly string[] = [];
  await until(
    () => `${shapes.length} nodes are ready; ${ready.join(", ")} are`,
    30_000,
    async () => {
      const names = shapes.map(({ name }) => name);
      ready = (await kubectl.list("nodes"))
        .filter((each) => names.includes(each.metadata.name) && isReady(each) && !isNew(each))
        .map(({ metadata }) => metadata.name);
      return ready.length === shapes.length;
    },
  );
}

/**
 * Runs a check in a namespace of its own on these nodes alone, and removes both after it, failed or
 * not.
 */
export async function onNodes(
  kubectl: Kubectl,
  namespace: string,
  shapes: readonly NodeShape[],
  check: () => Promise<void>,
): Promise<void> {
  await makeNamespace(kubectl, namespace);
  await makeNodes(kubectl, shapes);
  try {
    await check();
  } finally {
    await kubectl.must(["delete", "namespace", namespace, "--timeout=90s"]);
    await kubectl.must(["delete", "nodes", "--all", "--timeout=60s"]);
  }
}

/** True until the controllers take away the taint that keeps pods off a node not yet ready. */
function isNew(node: KubeObject): boolean {
  const taints = (at(node, "spec", "taints") ?? []) as readonly unknown[];
  return taints.some((each) => at(each, "key") === "node.kubernetes.io/not-ready");
}

function node({ name, labels = {}, gpus = 0, gpuResource, isTainted }: NodeShape): object {
  const resources = gpus === 0 ? plain : { ...plain, [gpuResource ?? "nvidia.com/gpu"]: `${gpus}` };
  const taints = [{ key: "nvidia.com/gpu", value: "present", effect: "NoSchedule" }];
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name,
      labels: { "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", ...labels },
    },
    spec: isTainted === true ? { taints } : {},
    status: { allocatable: resources, capacity: resources },
  };
}
