/** The mesh of a run: namespaces, a control plane, Envoys, and what runs behind them. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { messageOf } from "@warmpath/runtime/base";
import { type KubeObject, toYaml } from "../../kube-object.ts";
import type { AgentLine, Order } from "./agent-protocol.ts";
import { clusterObjects, hostsOf, labelsOf, type Pod, type Service } from "./cluster.ts";
import { askEnvoy, copyEnvoy, startEnvoy } from "./envoy.ts";
import { createPod, createSwitch } from "./namespaces.ts";
import { type ProcessOptions, type Running, startProcess } from "./processes.ts";
import { isGatewayApi, isIstio } from "./rendered.ts";

const readyMsMax = 60_000;
const pollMs = 100;
/** What the chart is installed into. */
const releaseNamespace = "warmpath";

/** What a rig is made of. */
export interface RigOptions {
  readonly controlPlane: string;
  readonly envoy: string;
  readonly objects: readonly KubeObject[];
  /** Istio's meshConfig, as a cluster of this chart has it. */
  readonly meshConfig: Readonly<Record<string, unknown>>;
  readonly trustDomain: string;
  readonly pods: readonly Pod[];
  readonly services: readonly Service[];
  /** Names beside those of Services: lines of /etc/hosts. */
  readonly hosts: string;
  /** Identities that no pod has, and callers of the checks come with: their SPIFFE ids by name. */
  readonly identities: Readonly<Record<string, string>>;
  /** The Secret of the ingress, and the names it is for. */
  readonly tls: {
    readonly namespace: string;
    readonly name: string;
    readonly hosts: readonly string[];
  };
  readonly principalKey: string;
}

/** A running mesh. */
export interface Rig {
  readonly dir: string;
  readonly options: RigOptions;
  /** Starts a process in a pod; it ends with the rig. */
  start(pod: string, name: string, options: Omit<ProcessOptions, "pod" | "log">): Running;
  /** Has the pod's agent do something; `onEvent` hears of its progress. */
  ask<T>(pod: string, order: Order, onEvent?: (event: string) => void): Promise<T>;
  /** Ends a pod's Envoy as a crash would. */
  killEnvoy(pod: string): Promise<void>;
  /** Starts it again, and waits until it has its configuration. */
  startEnvoy(pod: string): Promise<void>;
  /** What an Envoy's administration says. */
  envoy(pod: string, path: string): Promise<string>;
  /** Tells the control plane which addresses of a Service are ready. */
  setReady(
    namespace: string,
    slice: string,
    ready: Readonly<Record<string, boolean>>,
  ): Promise<void>;
  /** Gives the control plane an object instead of the one of its kind and name, or a new one. */
  put(object: KubeObject): Promise<void>;
  /** Takes an object of Istio's away from it. */
  remove(object: KubeObject): Promise<void>;
  /** Ends everything. Its folder and the namespaces go with the run. */
  close(): Promise<void>;
}

/** Brings the mesh up and waits until every Envoy has its configuration. */
export async function startRig(options: RigOptions): Promise<Rig> {
  const dir = mkdtempSync(join(tmpdir(), "rig-"));
  // Envoy runs as another user.
  chmodSync(dir, 0o777);
  const running: Running[] = [];
  const agents = new Map<string, Promise<Agent>>();
  const envoys = new Map<string, Running>();
  createSwitch();
  const hosts = `${hostsOf(options.services, options.pods)}${options.hosts}`;
  for (const pod of options.pods) {
    createPod({ ...pod, hosts });
  }
  const close = async () => {
    await Promise.all(running.toReversed().map((each) => each.stop()));
    // A hundred megabytes that tell nothing.
    rmSync(join(dir, "envoy"), { force: true });
  };
  const start: Rig["start"] = (pod, name, started) => {
    const made = startProcess({ ...started, pod, log: join(dir, `${name}.log`) });
    running.push(made);
    return made;
  };
  try {
    const controlPlane = await startControlPlane(dir, options);
    running.push(controlPlane.process);
    const binary = copyEnvoy(options.envoy, dir);
    const pods = options.pods.filter(({ envoy }) => envoy !== "none");
    const bringUp = async (pod: string) => {
      const found = pods.find(({ name }) => name === pod);
      if (found === undefined || found.envoy === "none") {
        throw new Error(`${pod} has no Envoy`);
      }
      const { envoy: kind, name, ip, namespace, serviceAccount } = found;
      const labels = labelsOf(found);
      const started = { binary, dir, kind, pod: name, ip, namespace, serviceAccount, labels };
      const envoy = startEnvoy(started);
      envoys.set(pod, envoy);
      running.push(envoy);
      await untilConfigured(dir, pod);
    };
    await Promise.all(pods.map(({ name }) => bringUp(name)));
    const agentOf = (pod: string) => {
      const made = agents.get(pod) ?? startAgent(start, { pod, dir, key: options.principalKey });
      agents.set(pod, made);
      return made;
    };
    return {
      dir,
      options,
      start,
      // The agent answers an order with that order's result, or throws what kept it from one.
      ask: async <T>(pod: string, order: Order, onEvent?: (event: string) => void) =>
        (await (await agentOf(pod)).ask(order, onEvent)) as T,
      killEnvoy: async (pod) => {
        envoys.get(pod)?.signal("SIGKILL");
        await envoys.get(pod)?.exited;
      },
      startEnvoy: bringUp,
      envoy: (pod, path) => askEnvoy(dir, pod, path),
      setReady: (namespace, slice, addresses) =>
        controlPlane.order({ ready: { namespace, slice, addresses } }),
      put: (object) => controlPlane.order({ put: inNamespace(object) }),
      remove: (object) => controlPlane.order({ remove: inNamespace(object) }),
      close,
    };
  } catch (error) {
    await close();
    throw new Error(`the mesh did not come up: ${messageOf(error)}; see ${dir}`, { cause: error });
  }
}

async function startControlPlane(dir: string, options: RigOptions) {
  const { objects, pods, services, trustDomain } = options;
  const cluster = clusterObjects(pods, services);
  const routes = objects.filter(isGatewayApi).map((each) => inNamespace(each));
  writeFileSync(join(dir, "objects.yaml"), toYaml([...cluster, gatewayClass, ...routes]));
  writeFileSync(join(dir, "tls.json"), JSON.stringify(options.tls));
  writeFileSync(join(dir, "istio.yaml"), toYaml(objects.filter(isIstio).map(inNamespace)));
  // A pipe cannot be opened again by its name, as Envoy would /dev/stdout: all write to one file.
  const accessLog = join(dir, "access.log");
  writeFileSync(accessLog, "");
  chmodSync(accessLog, 0o666);
  writeFileSync(
    join(dir, "mesh.yaml"),
    JSON.stringify({ ...options.meshConfig, extensionProviders: [fileLog(accessLog)] }),
  );
  const identities = pods.map(({ name, namespace, serviceAccount }) => ({
    name,
    spiffe: `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`,
  }));
  for (const [name, spiffe] of Object.entries(options.identities)) {
    identities.push({ name, spiffe });
  }
  writeFileSync(join(dir, "pods.json"), JSON.stringify(identities));
  const ready = Promise.withResolvers<void>();
  const waiting: ((failure: string | undefined) => void)[] = [];
  const process = startProcess({
    pod: undefined,
    command: [options.controlPlane, "-test.run", "^TestPacketsControlPlane$", "-test.v"],
    env: { PACKETS: dir },
    log: join(dir, "control-plane.log"),
    onLine: (line) => {
      if (line.includes("control plane ready")) ready.resolve();
      // As packets_orders_test.go writes it.
      const [, end, why] = /^order (done|failed: (.*))$/.exec(line) ?? [];
      if (end !== undefined) waiting.shift()?.(why);
    },
  });
  await within(Promise.race([ready.promise, process.exited]), "the control plane's start");
  if (!process.isRunning()) {
    throw new Error("the control plane ended: control-plane.log says why");
  }
  return {
    process,
    order: async (order: unknown) => {
      const { promise, resolve } = Promise.withResolvers<string | undefined>();
      waiting.push(resolve);
      process.write(JSON.stringify(order));
      const failure = await within(promise, "the control plane's answer");
      if (failure !== undefined) {
        throw new Error(`the control plane could not do as it was told: ${failure}`);
      }
    },
  };
}

/** Istio's provider "envoy", which the chart's Telemetry names, as it is with another path. */
function fileLog(path: string): unknown {
  return { name: "envoy", envoyFileAccessLog: { path } };
}

const gatewayClass = {
  apiVersion: "gateway.networking.k8s.io/v1",
  kind: "GatewayClass",
  metadata: { name: "istio" },
  spec: { controllerName: "istio.io/gateway-controller" },
};

/** helm leaves the namespace to whoever applies the objects. */
function inNamespace(object: KubeObject): KubeObject {
  const { metadata } = object;
  return { ...object, metadata: { namespace: releaseNamespace, ...metadata } };
}

async function untilConfigured(dir: string, pod: string): Promise<void> {
  const isReady = async () =>
    (await askEnvoy(dir, pod, "/ready")).includes("LIVE") &&
    /virtualInbound|_443/.test(await askEnvoy(dir, pod, "/listeners"));
  await until(isReady, `the configuration of Envoy in ${pod}`, 20_000);
}

interface Agent {
  ask(order: Order, onEvent?: (event: string) => void): Promise<unknown>;
}

async function startAgent(
  start: Rig["start"],
  { pod, dir, key }: { pod: string; dir: string; key: string },
): Promise<Agent> {
  const ready = Promise.withResolvers<void>();
  const waiting = new Map<number, { done(result: unknown): void; onEvent(event: string): void }>();
  let nextId = 0;
  const child = start(pod, `agent-${pod}`, {
    command: [process.execPath, join(import.meta.dir, "agent.ts")],
    env: {
      PACKETS_PRINCIPAL_KEY: key,
      PACKETS_CA: join(dir, "ca.pem"),
      // The same for grpc-js.
      GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: join(dir, "ca.pem"),
    },
    onLine: (text) => {
      // The agent is ours, and writes nothing else.
      const line = JSON.parse(text) as AgentLine;
      if ("ready" in line) {
        ready.resolve();
      } else if ("event" in line) {
        waiting.get(line.id)?.onEvent(line.event);
      } else {
        waiting.get(line.id)?.done(line.result);
        waiting.delete(line.id);
      }
    },
  });
  await within(ready.promise, `the agent of ${pod}`);
  return {
    ask: (order, onEvent = () => undefined) =>
      new Promise((resolve, reject) => {
        const id = nextId;
        nextId += 1;
        const done = (result: unknown) => {
          const failure = failureOf(result);
          if (failure === undefined) {
            resolve(result);
          } else {
            reject(new Error(failure));
          }
        };
        waiting.set(id, { done, onEvent });
        child.write(JSON.stringify({ id, order }));
      }),
  };
}

/** What an agent says when it could not do as it was told. */
function failureOf(result: unknown): string | undefined {
  const isFailure = typeof result === "object" && result !== null && "failure" in result;
  return isFailure ? String(result.failure) : undefined;
}

/** Asks again and again until the answer is yes; throws, naming what was waited for. */
export async function until(
  isDone: () => Promise<boolean>,
  what: string,
  msMax = readyMsMax,
): Promise<void> {
  const deadlineMs = performance.now() + msMax;
  while (!(await isDone())) {
    if (performance.now() > deadlineMs) {
      throw new Error(`${what} did not come within ${msMax / 1000} s`);
    }
    await Bun.sleep(pollMs);
  }
}

/** Waits for it, but not for ever. */
export async function within<T>(work: Promise<T>, what: string, msMax = readyMsMax): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`${what} did not come within ${msMax / 1000} s`)),
    msMax,
  );
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** A folder of the rig, open to all. */
export function folderOf(rig: Rig, name: string): string {
  const path = join(rig.dir, name);
  mkdirSync(path, { recursive: true });
  return path;
}
