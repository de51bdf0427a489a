import { expect, test } from "bun:test";
import { join } from "node:path";
import { drainNode, type Kubectl } from "./drain-node.ts";

const plan = { node: "node-a", namespace: "ns", release: "warmpath", timeoutS: 60 };
const silent = () => undefined;

/** What a cluster lists where there is a canary of the workers, and where there is none. */
const canaryOf = { none: { canary: "" }, one: { canary: "pod/canary-1\n" } };

function recorder(
  fails: (command: string) => boolean = () => false,
  listed: { readonly canary: string } = canaryOf.none,
): {
  readonly commands: string[];
  readonly kubectl: Kubectl;
} {
  const commands: string[] = [];
  return {
    commands,
    kubectl: async (args) => {
      const command = args.join(" ");
      commands.push(command);
      if (fails(command)) {
        throw new Error(`refused: ${command}`);
      }
      if (!command.startsWith("get pods")) {
        return "";
      }
      const isCanary = command.includes("warmpath/track=canary");
      return isCanary ? listed.canary : "pod/worker-1\npod/worker-2\n";
    },
  };
}

test("workers leave one by one, each after the one before it was replaced, and evictions come last", async () => {
  const { commands, kubectl } = recorder();
  await drainNode(plan, kubectl, silent);
  expect(commands).toEqual([
    "cordon node-a",
    "get pods --namespace ns --selector app.kubernetes.io/name=orchestrator,app.kubernetes.io/instance=warmpath,warmpath/track=stable --field-selector spec.nodeName=node-a --output name",
    "get pods --namespace ns --selector app.kubernetes.io/name=orchestrator,app.kubernetes.io/instance=warmpath,warmpath/track=canary --field-selector spec.nodeName=node-a --output name",
    "delete pod/worker-1 --namespace ns --wait=false",
    "wait --for=delete pod/worker-1 --namespace ns --timeout=60s",
    "rollout status deployment/warmpath-orchestrator --namespace ns --timeout=60s",
    "delete pod/worker-2 --namespace ns --wait=false",
    "wait --for=delete pod/worker-2 --namespace ns --timeout=60s",
    "rollout status deployment/warmpath-orchestrator --namespace ns --timeout=60s",
    "drain node-a --ignore-daemonsets --delete-emptydir-data --timeout=60s",
  ]);
});

test("a canary's worker is moved too, and waited for by its own Deployment, before anything is evicted", async () => {
  const { commands, kubectl } = recorder(undefined, canaryOf.one);
  await drainNode(plan, kubectl, silent);
  expect(commands.slice(-4)).toEqual([
    "delete pod/canary-1 --namespace ns --wait=false",
    "wait --for=delete pod/canary-1 --namespace ns --timeout=60s",
    "rollout status deployment/warmpath-orchestrator-canary --namespace ns --timeout=60s",
    "drain node-a --ignore-daemonsets --delete-emptydir-data --timeout=60s",
  ]);
});

test("where a replacement finds no place, no second worker goes", async () => {
  const { commands, kubectl } = recorder((command) => command.startsWith("rollout"));
  await expect(drainNode(plan, kubectl, silent)).rejects.toThrow("refused: rollout");
  expect(commands.filter((command) => /^(delete|drain)/.test(command))).toEqual([
    "delete pod/worker-1 --namespace ns --wait=false",
  ]);
});

test("it says how it is called, and without a node does nothing", () => {
  const call = (...args: readonly string[]) => {
    const command = [process.execPath, join(import.meta.dir, "drain-node.ts"), ...args];
    const { exitCode, stdout, stderr } = Bun.spawnSync(command, {
      env: { ...process.env, KUBECTL: "/no/kubectl" },
    });
    return { exitCode, said: stdout.toString() + stderr.toString() };
  };
  const usage = expect.stringContaining("drain-node.ts NODE");
  expect(call("--help")).toEqual({ exitCode: 0, said: usage });
  expect(call()).toEqual({ exitCode: 2, said: usage });
});
