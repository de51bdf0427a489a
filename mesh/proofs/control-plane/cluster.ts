import { generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Program, pathOf } from "./binaries.ts";
import { Kubectl } from "./kubectl.ts";
import { freePorts, type RunningProgram, startProgram, until } from "./processes.ts";

/** A control plane on loopback, without a kubelet: nodes and their pods are kwok's. */
export interface Cluster {
  readonly kubectl: Kubectl;
  /**
   * A scheduler beside the default one, with a KubeSchedulerConfiguration of its own. Throws what
   * it said when it refuses that.
   */
  startScheduler(name: string, configuration: object): Promise<void>;
  /** Throws when a program has ended by itself. */
  assertRunning(): void;
  /** Ends everything, the database last, and removes its files. */
  stop(): Promise<void>;
}

const readyWithinMs = 120_000;
const host = "127.0.0.1";

/**
 * Starts etcd, the API server, the controller manager, the scheduler and kwok; `stages` is what
 * kwok does for nodes, pods and volumes. Everything listens on 127.0.0.1 and lives in a folder of
 * its own. Ready when the API server says so and the controllers have made a service account.
 */
export async function startCluster(stages: string): Promise<Cluster> {
  const dir = mkdtempSync(join(tmpdir(), "warmpath-control-plane-"));
  const running: RunningProgram[] = [];
  const start = (name: Program, args: readonly string[], label: string = name) => {
    const program = startProgram(label, [pathOf(name), ...args], dir);
    running.push(program);
    return program;
  };
  const leave = () => void stop().finally(() => process.exit(130));
  process.once("SIGINT", leave).once("SIGTERM", leave);
  const stop = async () => {
    process.off("SIGINT", leave).off("SIGTERM", leave);
    // The API server first hangs on to its port for minutes where its database is gone.
    for (const program of running.reverse()) {
      await program.kill();
    }
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    const kubectl = await startApiServer(dir, start);
    await startControllers(dir, stages, start, kubectl);
    return {
      kubectl,
      startScheduler: async (name, configuration) => {
        try {
          await startSchedulerWith(dir, name, configuration, start);
        } catch (error) {
          // It was the last to start, and the cluster goes on without it.
          await running.pop()?.kill();
          throw error;
        }
      },
      assertRunning: () => {
        for (const program of running) {
          program.assertRunning();
        }
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

type Start = (name: Program, args: readonly string[], label?: string) => RunningProgram;

async function startApiServer(dir: string, start: Start): Promise<Kubectl> {
  const [clients = 0, peers = 0, secure = 0] = await freePorts(3);
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const keyFile = join(dir, "service-accounts.key");
  writeFileSync(keyFile, privateKey.export({ type: "pkcs1", format: "pem" }), { mode: 0o600 });
  const token = randomBytes(16).toString("hex");
  const tokenFile = join(dir, "tokens.csv");
  writeFileSync(tokenFile, `${token},admin,admin,system:masters\n`, { mode: 0o600 });
  const etcdUrl = `http://${host}:${clients}`;
  const peerUrl = `http://${host}:${peers}`;
  start("etcd", [
    `--data-dir=${join(dir, "etcd")}`,
    `--listen-client-urls=${etcdUrl}`,
    `--advertise-client-urls=${etcdUrl}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=default=${peerUrl}`,
    // The data lives as long as the proof.
    "--unsafe-no-fsync",
  ]);
  const server = start("kube-apiserver", [
    `--etcd-servers=${etcdUrl}`,
    `--secure-port=${secure}`,
    `--bind-address=${host}`,
    `--cert-dir=${join(dir, "certs")}`,
    "--service-cluster-ip-range=10.96.0.0/16",
    `--service-account-key-file=${keyFile}`,
    `--service-account-signing-key-file=${keyFile}`,
    "--service-account-issuer=https://kubernetes.default.svc",
    `--token-auth-file=${tokenFile}`,
    "--authorization-mode=RBAC",
  ]);
  const kubectl = new Kubectl(join(dir, "kubeconfig"));
  writeFileSync(kubectl.kubeconfig, kubeconfig(dir, secure, token), { mode: 0o600 });
  await until(
    () => `the API server is ready: ${server.tail()}`,
    readyWithinMs,
    async () => {
      server.assertRunning();
      return (await kubectl.run(["get", "--raw", "/readyz"])).exitCode === 0;
    },
  );
  return kubectl;
}

/** The server signs its own certificate, so that certificate is also the authority. */
function kubeconfig(dir: string, port: number, token: string): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      {
        name: "proof",
        cluster: {
          server: `https://${host}:${port}`,
          "certificate-authority": join(dir, "certs/apiserver.crt"),
        },
      },
    ],
    users: [{ name: "admin", user: { token } }],
    contexts: [{ name: "proof", context: { cluster: "proof", user: "admin" } }],
    "current-context": "proof",
  });
}

async function startControllers(
  dir: string,
  stages: string,
  start: Start,
  kubectl: Kubectl,
): Promise<void> {
  const [controllers = 0, kwok = 0] = await freePorts(2);
  start("kube-controller-manager", [
    `--kubeconfig=${kubectl.kubeconfig}`,
    `--bind-address=${host}`,
    `--secure-port=${controllers}`,
    "--leader-elect=false",
    `--service-account-private-key-file=${join(dir, "service-accounts.key")}`,
    `--root-ca-file=${join(dir, "certs/apiserver.crt")}`,
  ]);
  await startSchedulerWith(dir, "default-scheduler", {}, start);
  const stagesFile = join(dir, "stages.yaml");
  writeFileSync(stagesFile, stages);
  start("kwok", [
    `--kubeconfig=${kubectl.kubeconfig}`,
    "--manage-all-nodes",
    `--node-ip=${host}`,
    // As a kubelet renews its lease; without one the controllers take the node for lost.
    "--node-lease-duration-seconds=40",
    `--server-address=${host}:${kwok}`,
    `--config=${stagesFile}`,
  ]);
  const account = ["get", "serviceaccount", "default", "-n", "default"];
  await until(
    () => "the controllers make a service account",
    readyWithinMs,
    async () => (await kubectl.run(account)).exitCode === 0,
  );
}

async function startSchedulerWith(
  dir: string,
  name: string,
  configuration: object,
  start: Start,
): Promise<void> {
  const [secure = 0] = await freePorts(1);
  const file = join(dir, `${name}.yaml`);
  const whole = {
    apiVersion: "kubescheduler.config.k8s.io/v1",
    kind: "KubeSchedulerConfiguration",
    ...configuration,
    clientConnection: { kubeconfig: join(dir, "kubeconfig") },
    leaderElection: { leaderElect: false },
  };
  writeFileSync(file, JSON.stringify(whole));
  const args = [`--config=${file}`, `--bind-address=${host}`, `--secure-port=${secure}`];
  const scheduler = start("kube-scheduler", args, name);
  // A configuration that it refuses ends it at once; one that it takes shows as an open port.
  await until(
    () => `${name} listens: ${scheduler.tail()}`,
    readyWithinMs,
    async () => {
      scheduler.assertRunning();
      return isListening(secure);
    },
  );
}

async function isListening(port: number): Promise<boolean> {
  try {
    const socket = await Bun.connect({ hostname: host, port, socket: { data: () => undefined } });
    socket.end();
    return true;
  } catch {
    return false;
  }
}
