// A worker is evicted by nobody; who must have its node deletes the pod, which hands its runs back.

import { join } from "node:path";
import { type KubeObject, toYaml } from "../kube-object.ts";
import { scaleToMinimum } from "./autoscaled-replicas.ts";
import { pathOf } from "./binaries.ts";
import type { Kubectl } from "./kubectl.ts";
import { assert, at, type Check, isReady, nodeOf } from "./lab.ts";
import { onNodes } from "./nodes.ts";
import { until } from "./processes.ts";
import { production, renderObjects } from "./rendered.ts";

const namespace = "worker-drain";
const worker = "app.kubernetes.io/name=orchestrator";
const canaryWorker = `${worker},warmpath/track=canary`;
/** One worker of another version beside those of production. */
const canary = "canary.orchestrator.enabled=true,canary.orchestrator.tag=0.2.0";

// Two: the services' pods keep apart, so that each node has one of each.
const nodes = [{ name: "node-a" }, { name: "node-b" }];

/** The budget of the workers, and the procedure of the runbook. */
export const workerDrainChecks: readonly Check[] = [
  {
    name: "a worker's eviction is refused by its budget, and so a node's drain takes everything but the workers",
    run: ({ kubectl }) => onNodes(kubectl, namespace, nodes, () => refuseToEvict(kubectl)),
  },
  {
    name: "a worker that is not ready may be evicted",
    run: ({ kubectl }) => onNodes(kubectl, namespace, nodes, () => evictUnready(kubectl)),
  },
  {
    name: "mesh/drain-node.ts empties a node of workers, a canary's too; their replacements are ready on another",
    run: ({ kubectl }) => onNodes(kubectl, namespace, nodes, () => drainNode(kubectl)),
  },
];

async function refuseToEvict(kubectl: Kubectl): Promise<void> {
  const pod = await installed(kubectl);
  const { exitCode, stderr } = await kubectl.evict(namespace, pod.metadata.name);
  assert(exitCode !== 0, "the worker was evicted");
  assert(/TooManyRequests/.test(stderr), `refused otherwise than with 429: ${stderr.trim()}`);
  assert(/would violate the pod's disruption budget/.test(stderr), stderr.trim());

  const from = nodeOf(pod);
  const flags = ["--ignore-daemonsets", "--delete-emptydir-data", "--timeout=15s"];
  const drained = await kubectl.run(["drain", from, ...flags]);
  assert(drained.exitCode !== 0, "the drain did not wait for the worker");
  assert(/violate the pod's disruption budget/.test(drained.stderr), drained.stderr);
  const left = await podsOn(kubectl, from);
  const names = new Set(left.map(({ metadata }) => metadata.labels?.["app.kubernetes.io/name"]));
  assert([...names].join() === "orchestrator", `after the drain there are: ${[...names].join()}`);
}

async function evictUnready(kubectl: Kubectl): Promise<void> {
  const pod = await installed(kubectl);
  const { name } = pod.metadata;
  const conditions = [{ type: "Ready", status: "False", reason: "ProbeFailed" }];
  const patch = ["--subresource=status", "--patch", JSON.stringify({ status: { conditions } })];
  await kubectl.must(["patch", "pod", name, "-n", namespace, ...patch]);
  const { exitCode, stderr } = await kubectl.evict(namespace, name);
  assert(exitCode === 0, `refused: ${stderr.trim()}`);
}

async function drainNode(kubectl: Kubectl): Promise<void> {
  const from = nodeOf(await installed(kubectl, canary, canaryWorker));
  const before = await podsOn(kubectl, from);
  assert(before.length > 1, `there is little to drain on ${from}`);
  const command = [process.execPath, join(import.meta.dir, "../../drain-node.ts"), from];
  const child = Bun.spawn([...command, "--namespace", namespace, "--timeout-s", "60"], {
    env: { ...process.env, KUBECTL: pathOf("kubectl"), KUBECONFIG: kubectl.kubeconfig },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  const said = await new Response(child.stderr).text();
  assert((await child.exited) === 0, `it failed: ${said.trim()}`);
  // Before anything is waited for here: it is the command that waits for the workers.
  const workers = await kubectl.list("pods", "-n", namespace, "-l", worker);
  const canaries = await kubectl.list("pods", "-n", namespace, "-l", canaryWorker);
  const ready = workers.filter(isReady).length;
  assert(ready === workers.length, `${ready} of ${workers.length} workers are ready`);
  assert(canaries.length === 1 && ready > 1, `${canaries.length} canaries of ${ready} workers`);
  await allReady(kubectl);
  const left = await podsOn(kubectl, from);
  assert(
    left.length === 0,
    `left on the node: ${left.map(({ metadata }) => metadata.name).join()}`,
  );
}

/** Installs production, with `set`, and gives one of its workers by label, all of it ready. */
async function installed(kubectl: Kubectl, set = "", labels = worker): Promise<KubeObject> {
  const objects = renderObjects(production, namespace, set);
  await kubectl.mustApply(toYaml(objects), "-n", namespace);
  await scaleToMinimum(kubectl, objects, namespace);
  await allReady(kubectl);
  const [pod] = await kubectl.list("pods", "-n", namespace, "-l", labels);
  assert(pod !== undefined && nodeOf(pod) !== "", "there is no worker");
  return pod;
}

function podsOn(kubectl: Kubectl, node: string): Promise<readonly KubeObject[]> {
  return kubectl.list("pods", "-n", namespace, "--field-selector", `spec.nodeName=${node}`);
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
