import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { assertPortsFree } from "../scripts/wiring/free-ports.ts";
import { type ServiceName, serviceNames } from "../scripts/wiring/ports.ts";
import { createDatabase } from "./database.ts";
import { descendantsOf, isAlive, type Launched, launch } from "./process.ts";

/** Embedded storage in one process; real servers, one process; real servers, four processes. */
export type Topology = "embedded" | "servers" | "split";

/** The topology this run of the suite is about. */
export const topology = ((): Topology => {
  const named = process.env["E2E_TOPOLOGY"] ?? "embedded";
  if (named !== "embedded" && named !== "servers" && named !== "split") {
    throw new Error(`E2E_TOPOLOGY is ${named}, but must be embedded, servers or split`);
  }
  return named;
})();

const entry = fileURLToPath(new URL("../scripts/warmpath.ts", import.meta.url));
const replicaEntry = fileURLToPath(new URL("../benchmarks/replica/main.ts", import.meta.url));
const readyTimeoutMs = 60_000;
const devKey = `wp_${"e2e".repeat(14)}e`;
const principalKey = "e2e-principal-key-of-at-least-32-characters";

/** How a system under test differs from the default. */
export interface SystemOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  readonly replicas?: number;
}

/** A running system, reached as its users reach it. */
export interface System {
  readonly port: number;
  readonly key: string;
  readonly dataDir: string;
  readonly gatewayUrl: string;
  readonly gatewayGrpc: string;
  readonly proxyUrl: string;
  readonly stateGrpcUrl: string;
  readonly principalKey: string;
  replicaUrl(index: number): string;
  /**
   * Ends the process that runs agents (in one process: the whole) with SIGKILL; returns once it is
   * gone.
   */
  killWorker(): Promise<void>;
  /** Ends the process that runs agents as a cluster does, with SIGTERM; its status. */
  stopWorker(): Promise<number | undefined>;
  /** On `split`: one more process that runs agents, on ports of its own. */
  addWorker(): Promise<void>;
  /** Waits until the process that runs agents has ended by itself. */
  workerExited(): Promise<void>;
  /** Starts again what was killed, with other environment variables if given. */
  restartWorker(env?: Readonly<Record<string, string>>): Promise<void>;
  /** Pids of everything this system started that still lives. */
  survivors(): number[];
  /** What the processes wrote so far. */
  output(): string;
  stop(): Promise<void>;
}

let nextBase = 10_000 + Math.floor(Math.random() * 180) * 100;

/** Blocks that are tried before it is said that none is free. */
const blocksTriedMax = 50;

/**
 * A block of ports that nobody listens in: other tests, and their servers, take theirs from the
 * same range.
 */
export async function nextPortBlock(): Promise<number> {
  for (let tries = 0; tries < blocksTriedMax; tries += 1) {
    nextBase = nextBase >= 28_000 ? 10_000 : nextBase + 100;
    const offsets = [0, 1, 10, 11, 20, 21, 30, 31, 41, 42, 43];
    const ports = offsets.map((offset) => ({ port: nextBase + offset, use: "a test" }));
    try {
      await assertPortsFree("127.0.0.1", ports);
      return nextBase;
    } catch {
      // Taken, in whole or in part: the next one.
    }
  }
  throw new Error(`no free block of ports in ${blocksTriedMax} tries`);
}

/** Boots a system and waits until a task can be submitted and run. */
export async function startSystem(options: SystemOptions = {}): Promise<System> {
  const port = await nextPortBlock();
  const dataDir = mkdtempSync(join(tmpdir(), "warmpath-e2e-"));
  const servers = topology === "embedded" ? undefined : await testServers();
  const common = {
    WARMPATH_PORT: String(port),
    WARMPATH_DATA_DIR: dataDir,
    WARMPATH_DEV_KEY: devKey,
    WARMPATH_PRINCIPAL_KEYS: principalKey,
    WARMPATH_LOG_FORMAT: "json",
    WARMPATH_LOG_LEVEL: process.env["E2E_LOG_LEVEL"] ?? "info",
    ...servers?.env,
  };
  const run = topology === "split" ? splitRun : singleRun;
  const processes = new Map<string, Launched>();
  const seen = new Set<number>();
  const launchParts = (parts: readonly Part[], env: Readonly<Record<string, string>>) => {
    for (const part of parts) {
      processes.get(part.name)?.forget();
      processes.set(part.name, launch(part.command, { ...common, ...options.env, ...env }));
    }
  };
  const ready = async () => {
    await waitForReady(port, run.readyPorts(port), () => [...processes.values()]);
    for (const each of processes.values()) {
      for (const pid of [each.pid, ...descendantsOf(each.pid)]) {
        seen.add(pid);
      }
    }
  };
  const stopAll = async () => {
    await Promise.all([...processes.values()].reverse().map((each) => each.stop()));
    await servers?.drop();
    rmSync(dataDir, { recursive: true, force: true });
  };
  const parts = run.parts(port, options);
  try {
    launchParts(parts, {});
    await ready();
  } catch (error) {
    const output = [...processes.values()].map((each) => each.output()).join("\n");
    await stopAll();
    throw new Error(`the system did not start: ${String(error)}\n${output}`);
  }
  const worker = () => processes.get(run.workerName);
  return {
    port,
    key: devKey,
    dataDir,
    principalKey,
    gatewayUrl: `http://127.0.0.1:${port}`,
    gatewayGrpc: `127.0.0.1:${port + 1}`,
    proxyUrl: `http://127.0.0.1:${port + 10}`,
    stateGrpcUrl: `http://127.0.0.1:${port + 31}`,
    replicaUrl: (index) => `http://127.0.0.1:${port + 41 + index}`,
    killWorker: async () => worker()?.kill9(),
    stopWorker: async () => {
      await worker()?.stop();
      return worker()?.exitCode();
    },
    addWorker: async () => {
      const own = await nextPortBlock();
      const env = {
        WARMPATH_PORT: String(own),
        WARMPATH_STATE_URL: `http://127.0.0.1:${port + 31}`,
        WARMPATH_INFERENCE_URL: `http://127.0.0.1:${port + 11}`,
      };
      const [part] = parts.filter(({ name }) => name === "orchestrator");
      if (part === undefined) {
        throw new Error(`topology ${topology} has no process that only runs agents`);
      }
      launchParts([{ ...part, name: "another-orchestrator" }], env);
      await waitForReady(port, [own + 20], () => [...processes.values()]);
    },
    workerExited: async () => {
      await worker()?.exited;
    },
    restartWorker: async (env = {}) => {
      launchParts(
        parts.filter(({ name }) => name === run.workerName),
        env,
      );
      await ready();
    },
    survivors: () => [...seen].filter(isAlive),
    output: () => [...processes.values()].map((each) => each.output()).join("\n"),
    stop: stopAll,
  };
}

interface Part {
  readonly name: string;
  readonly command: readonly string[];
}

interface Run {
  readonly workerName: string;
  parts(port: number, options: SystemOptions): readonly Part[];
  readyPorts(port: number): readonly number[];
}

const singleRun: Run = {
  workerName: "up",
  parts: (_port, { args = [], replicas = 3 }) => [
    { name: "up", command: [entry, "up", "--replicas", String(replicas), ...args] },
  ],
  readyPorts: (port) => [port, port + 10, port + 20, port + 30],
};

const splitRun: Run = {
  workerName: "orchestrator",
  parts: (port, { args = [], replicas = 3 }) => {
    const replicaPorts = Array.from({ length: replicas }, (_, index) => port + 41 + index);
    const upstream = replicaPorts.map((each) => `http://127.0.0.1:${each}`).join(",");
    const given = args.includes("--upstream") ? args : ["--upstream", upstream, ...args];
    return [
      ...replicaPorts.map((each, index) => ({
        name: `replica-${index}`,
        command: [replicaEntry, "--port", String(each), "--seed", String(index + 1)],
      })),
      ...serviceNames.map((name: ServiceName) => ({
        name,
        command: [entry, "serve", name, ...(name === "inference-proxy" ? given : [])],
      })),
    ];
  },
  readyPorts: singleRun.readyPorts,
};

async function waitForReady(
  port: number,
  ports: readonly number[],
  processes: () => readonly Launched[],
): Promise<void> {
  const deadline = performance.now() + readyTimeoutMs;
  let why = "";
  while (performance.now() < deadline) {
    const states = await Promise.all(ports.map(readiness));
    const agents = states.every((state) => state === "ready") && (await hasAgents(port));
    if (agents) {
      return;
    }
    why = ports.map((each, index) => `${each}: ${states[index]}`).join("; ");
    const ended = processes().find((each) => each.exitCode() !== undefined);
    if (ended !== undefined) {
      throw new Error(`a process ended with ${ended.exitCode()}: ${ended.output().slice(-2000)}`);
    }
    await Bun.sleep(50);
  }
  throw new Error(`not ready after ${readyTimeoutMs} ms: ${why}`);
}

async function readiness(port: number): Promise<string> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/ready`, {
      signal: AbortSignal.timeout(2000),
    });
    return response.ok ? "ready" : await response.text();
  } catch (error) {
    return String(error);
  }
}

async function hasAgents(port: number): Promise<boolean> {
  const response = await fetch(
    `http://127.0.0.1:${port}/warmpath.gateway.v1.AgentService/ListAgents`,
    {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${devKey}` },
      body: "{}",
    },
  );
  // The documented shape of ListAgents.
  const body = (await response.json()) as { agents?: { name: string }[] };
  return (body.agents?.length ?? 0) > 0;
}

interface Servers {
  readonly env: Readonly<Record<string, string>>;
  drop(): Promise<void>;
}

/** A database and a namespace of this system's own on the servers the suite was given. */
async function testServers(): Promise<Servers> {
  const [postgres, redis, nats] = ["POSTGRES", "REDIS", "NATS"].map(
    (name) => process.env[`WARMPATH_TEST_${name}_URL`],
  );
  if (postgres === undefined || redis === undefined || nats === undefined) {
    throw new Error(
      `topology ${topology} needs WARMPATH_TEST_POSTGRES_URL, _REDIS_URL and _NATS_URL; \`npm test\` sets them`,
    );
  }
  const database = await createDatabase(postgres);
  return {
    env: {
      WARMPATH_POSTGRES: database.url,
      WARMPATH_REDIS: redis,
      WARMPATH_NATS: nats,
      // Without it the systems of one run would take each other's dispatches.
      WARMPATH_NAMESPACE: `e2e-${crypto.randomUUID().slice(0, 8)}`,
    },
    drop: database.drop,
  };
}
