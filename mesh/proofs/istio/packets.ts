/** The level `packets`: real Envoys, real mutual TLS, and our real services behind them. */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findHelm, helmMissing } from "../../helm.ts";
import type { ProofResult, ProofStep } from "../step.ts";
import { buildGoTests, goTestsMissing } from "./go-tests.ts";
import { canaryChecks } from "./packets/checks/canary.ts";
import { engineChecks } from "./packets/checks/engines.ts";
import { stubChecks } from "./packets/checks/failing-calls.ts";
import { identityChecks } from "./packets/checks/identities.ts";
import { longStreamChecks, sigtermChecks } from "./packets/checks/streams.ts";
import { startStubs } from "./packets/checks/stubs.ts";
import { plaintextChecks, taskChecks } from "./packets/checks/tasks.ts";
import { canFetchEnvoy, envoyMissing, fetchEnvoy, findEnvoy } from "./packets/envoy.ts";
import { removeNamespaces } from "./packets/namespaces.ts";
import { copyChart, renderObjects } from "./packets/rendered.ts";
import { startCast, startScene } from "./packets/scene.ts";
import { fetchStores } from "./packets/stores.ts";

/** One run at a time: addresses and names of namespaces are fixed. */
const lockPath = join(tmpdir(), "warmpath-packets.lock");
/** Longest that one check may take, in ms. */
const checkMsMax = 90_000;
/** Faults of one check that are told: a policy that is gone opens hundreds of doors. */
const faultsMax = 5;
const programs = ["ip", "iptables", "setpriv", "sysctl", "bash"];

/** Needs root on Linux, Go, helm, an Envoy, and the tools that make namespaces. */
export const packetsStep: ProofStep = {
  name: "packets",
  proves: "our services do their work behind real Envoys, and nobody else gets in",
  missing: () =>
    machineMissing() ?? goTestsMissing() ?? (findHelm() === undefined ? helmMissing : undefined),
  run: (say) => locked(() => proveOnPackets(say)),
};

function machineMissing(): string | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0) {
    return "network namespaces need root on Linux";
  }
  const absent = programs.filter((each) => Bun.which(each) === null);
  if (absent.length > 0) {
    return `${absent.join(", ")} not on PATH: apt-get install iproute2 iptables util-linux procps`;
  }
  return findEnvoy() === undefined && !canFetchEnvoy() ? envoyMissing : undefined;
}

async function locked<T>(work: () => Promise<T>): Promise<T> {
  const lock = takeLock();
  // Ctrl-C leaves nothing behind either.
  const onSignal = () => {
    removeNamespaces();
    rmSync(lockPath, { force: true });
    process.exit(130);
  };
  process.once("SIGINT", onSignal);
  process.once("SIGTERM", onSignal);
  try {
    return await work();
  } finally {
    process.removeListener("SIGINT", onSignal);
    process.removeListener("SIGTERM", onSignal);
    closeSync(lock);
    rmSync(lockPath, { force: true });
  }
}

function takeLock(): number {
  try {
    const lock = openSync(lockPath, "wx");
    writeSync(lock, String(process.pid));
    return lock;
  } catch (error) {
    const owner = ownerOfLock();
    if (owner !== undefined) {
      throw new Error(`process ${owner} is proving packets, says ${lockPath}: one at a time`, {
        cause: error,
      });
    }
    // Whoever took it is gone.
    rmSync(lockPath, { force: true });
    return takeLock();
  }
}

function ownerOfLock(): number | undefined {
  try {
    const pid = Number(readFileSync(lockPath, "utf8"));
    process.kill(pid, 0);
    return pid;
  } catch {
    // No such process, or no such file any more.
    return undefined;
  }
}

async function proveOnPackets(say: (line: string) => void): Promise<ProofResult> {
  const controlPlane = await buildGoTests(say);
  const envoy = findEnvoy() ?? fetchEnvoy();
  await fetchStores();
  const folder = mkdtempSync(join(tmpdir(), "warmpath-packets-chart-"));
  const objects = renderObjects(copyChart(folder), []);
  const meshConfig = readMeshConfig();
  const rig = await startScene({ controlPlane, envoy, objects, meshConfig });
  const failures: string[] = [];
  let passed = 0;
  const prove = async (title: string, run: () => Promise<readonly string[]>) => {
    const startedAtMs = performance.now();
    const faults = await faultsOf(run);
    passed += faults.length === 0 ? 1 : 0;
    failures.push(...faults.slice(0, faultsMax).map((each) => `${title}: ${each}`));
    if (faults.length > faultsMax) {
      failures.push(`${title}: and ${faults.length - faultsMax} more`);
    }
    const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1);
    say(`${faults.length === 0 ? "ok" : "FAILED"}  ${title} (${seconds} s)`);
  };
  let isDone = false;
  try {
    say("the mesh is up");
    const stubs = await startStubs(rig);
    for (const check of stubChecks) {
      await prove(check.title, () => check.run(rig, stubs));
    }
    await Promise.all(stubs.map((stub) => stub.stop()));
    const stage = { rig, cast: await startCast(rig) };
    say("the services are ready");
    // The long streams take their time beside the rest.
    const long = longStreamChecks.map(({ title, run }) => prove(title, () => run(stage)));
    const meanwhile = [...taskChecks, ...plaintextChecks, ...identityChecks, ...canaryChecks];
    for (const { title, run } of meanwhile) {
      await prove(title, () => run(stage));
    }
    await Promise.all(long);
    for (const { title, run } of [...sigtermChecks, ...engineChecks]) {
      await prove(title, () => run(stage));
    }
    isDone = true;
  } finally {
    const isRed = !isDone || failures.length > 0;
    await rig.close(isRed);
    rmSync(folder, { recursive: true, force: true });
    if (isRed) {
      say(`logs are kept in ${rig.dir}`);
    }
  }
  return { passed, failures };
}

/** What istiod is installed with for this chart. */
function readMeshConfig(): Readonly<Record<string, unknown>> {
  const path = join(import.meta.dir, "../../istio/mesh-config.yaml");
  // Values of Istio's own chart: what is under meshConfig is istiod's.
  const values = Bun.YAML.parse(readFileSync(path, "utf8")) as {
    meshConfig: Record<string, unknown>;
  };
  return values.meshConfig;
}

async function faultsOf(run: () => Promise<readonly string[]>): Promise<readonly string[]> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error("took too long")), checkMsMax);
  try {
    return await Promise.race([run(), promise]);
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  } finally {
    clearTimeout(timer);
  }
}
