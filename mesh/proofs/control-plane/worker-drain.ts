// A worker is evicted by nobody; who must have its node deletes the pod, which hands its runs back.

import { type Kubectl, type KubeObject, toYaml } from "./kubectl.ts";
import { assert, at, type Check, isReady, nodeOf } from "./lab.ts";
import { onNodes } from "./nodes.ts";
import { until } from "./processes.ts";
import { production, renderObjects } from "./rendered.ts";

const namespace = "worker-drain";
const worker = "app.kubernetes.io/name=orchestrator";

const nodes = [{ name: "node-a" }, { name: "node-b" }, { name: "node-c" }];

/** The budget of the workers, and the procedure of the runbook. */
export const workerDrainChecks: readonly Check[] = [
  {
    name: "a worker's eviction is refused by its budget, a drain of its node moves everything else, and deleting the worker brings its replacement up on another node",
    run: ({ kubectl }) => onNodes(kubectl, namespace, nodes, () => drainNode(kubectl)),
  },
];

async function drainNode(kubectl: Kubectl): Promise<void> {
  await install(kubectl);
  const [pod] = await workers(kubectl);
  assert(pod !== undefined, "there is no worker");
  const from = nodeOf(pod);
  await refuseEviction(kubectl, pod);

  await kubectl.must(["cordon", from]);
  // The drain as an upgrade of nodes would do it; it gets every pod but the workers.
  const flags = ["--ignore-daemonsets", "--delete-emptydir-data", "--timeout=5s"];
  const drained = await kubectl.run(["drain", from, ...flags]);
  assert(drained.exitCode !== 0, "the drain did not wait for the worker");
  assert(/violate the pod's disruption budget/.test(drained.stderr), drained.stderr);
  const left = await kubectl.list(
    "pods",
    "-n",
    namespace,
    "--field-selector",
    `spec.nodeName=${from}`,
  );
  const names = [
    ...new Set(left.map(({ metadata }) => metadata.labels?.["app.kubernetes.io/name"])),
  ];
  assert(names.join() === "orchestrator", `after the drain there are on the node: ${names.join()}`);

  const selector = ["-n", namespace, "-l", worker, "--field-selector", `spec.nodeName=${from}`];
  await kubectl.must(["delete", "pod", ...selector, "--timeout=60s"]);
  await allReady(kubectl);
  const after = await workers(kubectl);
  assert(
    after.every((each) => nodeOf(each) !== from),
    `a worker is on the drained node again: ${after.map(nodeOf).join()}`,
  );
  await kubectl.must(["drain", from, ...flags]);
}

async function install(kubectl: Kubectl): Promise<void> {
  await kubectl.mustApply(toYaml(renderObjects(production, namespace)), "-n", namespace);
  await allReady(kubectl);
}

async function refuseEviction(kubectl: Kubectl, pod: KubeObject): Promise<void> {
  const { exitCode, stderr } = await kubectl.evict(namespace, pod.metadata.name);
  assert(exitCode !== 0, "the worker was evicted");
  assert(/TooManyRequests/.test(stderr), `refused otherwise than with 429: ${stderr.trim()}`);
  assert(/would violate the pod's disruption budget/.test(stderr), stderr.trim());
}

/** Waits until every Deployment has as many ready pods as it wants, and budgets know of them. */
async function allReady(kubectl: Kubectl): Promise<void> {
  let waitsFor = "";
  await until(
    () => `${waitsFor} of ${namespace} is ready`,
    60_000,
    async () => {
      const deployments = await kubectl.list("deployments", "-n", namespace);
      const late = deployments.find(
        (each) => at(each, "status", "availableReplicas") !== at(each, "spec", "replicas"),
      );
      const budgets = await kubectl.list("pdb", "-n", namespace);
      const blind = budgets.find(
        (each) => at(each, "status", "currentHealthy") !== at(each, "status", "expectedPods"),
      );
      waitsFor = late?.metadata.name ?? blind?.metadata.name ?? "";
      return deployments.length > 0 && waitsFor === "";
    },
  );
}

async function workers(kubectl: Kubectl): Promise<readonly KubeObject[]> {
  return (await kubectl.list("pods", "-n", namespace, "-l", worker)).filter(isReady);
}
