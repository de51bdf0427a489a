/**
 * Empties a node that holds agent workers. Their budget allows no eviction, so that nobody drains
 * them by accident; here each is deleted on purpose, one after the other: it hands its runs back
 * within a step, and its replacement is ready elsewhere before the next one goes. Workers of a
 * canary are moved likewise, each waited for by the Deployment that it is of.
 *
 *     bun mesh/drain-node.ts NODE [--namespace N] [--release R] [--timeout-s S] [--dry-run]
 *
 * Needs kubectl (KUBECTL names another) with the right to cordon, delete pods and evict.
 */
import { parseArgs } from "node:util";
import { messageOf } from "@warmpath/runtime/base";

/** One node to empty, and where the workers are. */
export interface DrainPlan {
  readonly node: string;
  readonly namespace: string;
  readonly release: string;
  /** Longest wait for one pod to end and for its replacement, in s: its grace, and a start. */
  readonly timeoutS: number;
}

/** Runs kubectl; resolves with what it wrote, and rejects when its status is not 0. */
export type Kubectl = (args: readonly string[]) => Promise<string>;

/** Default wait: a drain of 300 s, fifteen more, and ten minutes for a node that is yet to come. */
const defaultTimeoutS = 915;

/**
 * Cordons, moves the workers, then drains what is left. Rejects where a replacement finds no place;
 * the node stays cordoned then, and the workers that are left go on.
 */
export async function drainNode(
  plan: DrainPlan,
  kubectl: Kubectl,
  say: (line: string) => void,
): Promise<void> {
  const { node, namespace, release } = plan;
  const inNamespace = ["--namespace", namespace];
  const timeout = `--timeout=${plan.timeoutS}s`;
  say(`${node}: takes no new pods`);
  await kubectl(["cordon", node]);
  const workers = await workersOn(plan, kubectl);
  for (const [index, { pod, isCanary }] of workers.entries()) {
    say(`${pod}: hands its runs back (${index + 1} of ${workers.length})`);
    await kubectl(["delete", pod, ...inNamespace, "--wait=false"]);
    await kubectl(["wait", "--for=delete", pod, ...inNamespace, timeout]);
    const deployment = `deployment/${release}-orchestrator${isCanary ? "-canary" : ""}`;
    // Only now: right after the deletion, a status of before would call it rolled out.
    await kubectl(["rollout", "status", deployment, ...inNamespace, timeout]);
  }
  say(`${node}: the rest is evicted, each within its budget`);
  // Their scratch space is a few files in memory; DaemonSets belong to the node.
  const rest = ["--ignore-daemonsets", "--delete-emptydir-data", timeout];
  await kubectl(["drain", node, ...rest]);
  say(`${node}: empty; "kubectl uncordon ${node}" lets it in again`);
}

interface Worker {
  /** As kubectl names it: pod/NAME. */
  readonly pod: string;
  /** Whether it is of the canary's Deployment and not of the stable one. */
  readonly isCanary: boolean;
}

/** The workers of the node, the canary's last. */
async function workersOn(plan: DrainPlan, kubectl: Kubectl): Promise<readonly Worker[]> {
  const stable = await podsOn(plan, "stable", kubectl);
  const canary = await podsOn(plan, "canary", kubectl);
  return [
    ...stable.map((pod) => ({ pod, isCanary: false })),
    ...canary.map((pod) => ({ pod, isCanary: true })),
  ];
}

/** Those of one Deployment: the label `warmpath/track` is part of its selector. */
async function podsOn(
  plan: DrainPlan,
  track: string,
  kubectl: Kubectl,
): Promise<readonly string[]> {
  const name = `app.kubernetes.io/name=orchestrator,app.kubernetes.io/instance=${plan.release}`;
  const labels = `${name},warmpath/track=${track}`;
  const listed = await kubectl([
    "get",
    "pods",
    "--namespace",
    plan.namespace,
    "--selector",
    labels,
    "--field-selector",
    `spec.nodeName=${plan.node}`,
    "--output",
    "name",
  ]);
  return listed.split("\n").filter((line) => line !== "");
}

async function runKubectl(args: readonly string[]): Promise<string> {
  const child = Bun.spawn([process.env["KUBECTL"] ?? "kubectl", ...args], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const output = await new Response(child.stdout).text();
  const status = await child.exited;
  if (status !== 0) {
    throw new Error(`kubectl ${args.join(" ")} ended with ${status}`);
  }
  return output;
}

const usage = `usage: npx bun mesh/drain-node.ts NODE [--namespace warmpath] [--release warmpath]
                                  [--timeout-s ${defaultTimeoutS}] [--dry-run]
KUBECTL names another kubectl than the one on PATH.
`;

function readArgs(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        namespace: { type: "string", default: "warmpath" },
        release: { type: "string", default: "warmpath" },
        "timeout-s": { type: "string", default: String(defaultTimeoutS) },
        "dry-run": { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    return messageOf(error);
  }
}

async function main(args: readonly string[]): Promise<number> {
  const asked = readArgs(args);
  if (typeof asked === "string") {
    process.stderr.write(`${asked}\n${usage}`);
    return 2;
  }
  const { values, positionals } = asked;
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const [node, ...more] = positionals;
  const timeoutS = Number(values["timeout-s"]);
  if (node === undefined || more.length > 0 || !Number.isInteger(timeoutS) || timeoutS < 1) {
    process.stderr.write(usage);
    return 2;
  }
  const { namespace, release } = values;
  const say = (line: string) => void process.stdout.write(`${line}\n`);
  const isReading = ([verb]: readonly string[]) => verb === "get";
  const pretend: Kubectl = async (each) => {
    say(`  kubectl ${each.join(" ")}`);
    return isReading(each) ? await runKubectl(each) : "";
  };
  try {
    const plan = { node, namespace, release, timeoutS };
    await drainNode(plan, values["dry-run"] ? pretend : runKubectl, say);
    return 0;
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`);
    return 1;
  }
}

if (import.meta.main) {
  process.exitCode = await main(process.argv.slice(2));
}
