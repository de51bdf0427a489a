import { chownSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../../../scripts/test-servers/supervise.ts";
import { startTestServers } from "../../../scripts/test-servers.ts";
import { portsOf, type ServiceName, serviceNames } from "../../../scripts/wiring/ports.ts";
import type { BuiltImage } from "./builder.ts";
import type { Check } from "./check-image.ts";
import {
  composeService,
  type Models,
  type Stores,
  secretsPlace,
  writeSecrets,
} from "./compose-services.ts";
import { type Container, runToEnd, start } from "./container.ts";
import { freeBlock } from "./free-block.ts";
import { askHosted, hosted, providerSetting, refuseEmptyKey } from "./hosted-provider.ts";
import { stopMidStream } from "./stop-mid-stream.ts";

/** What a run is made of, and where it notes what it finds. */
export interface SystemRun {
  readonly nats: BuiltImage;
  readonly warmpath: BuiltImage;
  readonly folder: string;
  readonly check: Check;
  say(line: string): void;
}

// A first start migrates an empty database, on a machine that may be busy.
const readyMsMax = 60_000;
const stopGraceMs = 45_000;
const uid = 65_532;

/** Starts NATS, the replica and the four services from their images, uses them and stops them. */
export async function runSystem(run: SystemRun): Promise<void> {
  const { check, say } = run;
  const servers = await startTestServers({ postgres: true, redis: true });
  const started: Container[] = [];
  try {
    const { postgres, redis } = servers;
    if (!(postgres && "url" in postgres && redis && "url" in redis)) {
      check("PostgreSQL and Redis run", false, JSON.stringify({ postgres, redis }));
      return;
    }
    const natsUrl = await startNats(run, started);
    const stores = { postgresUrl: postgres.url, redisUrl: redis.url, natsUrl };
    const secrets = join(run.folder, "secrets");
    const key = writeSecrets(secrets, stores, { [hosted.keyFile]: hosted.key });
    const engine = await startReplica(run, started, []);
    const far = ["--model", hosted.model, "--api-key", hosted.key];
    const models = {
      WARMPATH_UPSTREAM: engine,
      WARMPATH_PROVIDERS: providerSetting(await startReplica(run, started, far)),
    };
    const port = await freeBlock();
    await refuseEmptyKey({ image: run.warmpath, port, stores, models, secrets, check });
    const services = new Map<ServiceName, Container>();
    for (const name of serviceNames) {
      const container = await startService(run, name, { port, stores, models, secrets });
      started.push(container);
      services.set(name, container);
    }
    await useSystem(run, port, key);
    await askHosted({ port, key, check });
    const proxy = services.get("inference-proxy");
    if (proxy !== undefined) {
      await stopMidStream({ proxy, port, key, check, graceMs: stopGraceMs });
    }
    for (const name of serviceNames.toReversed()) {
      const ending = await services.get(name)?.stop(stopGraceMs);
      check(`${name} drains and ends with 0`, ending?.exitCode === 0, services.get(name)?.said());
      say(`${name} stopped in ${ending?.ms} ms`);
    }
  } finally {
    for (const container of started.toReversed()) {
      await container.stop(stopGraceMs);
    }
    await servers.close();
  }
}

async function startNats({ nats, folder, check }: SystemRun, started: Container[]) {
  const [port, monitor] = [await freePort(), await freePort()];
  // A new volume takes its owner from the image's folder.
  const data = join(folder, "nats-data");
  mkdirSync(data);
  chownSync(data, uid, uid);
  const flags = ["--addr", "127.0.0.1", "--port", String(port), "--http_port", String(monitor)];
  const mounts = { "/data": data };
  const args = ["--jetstream", "--store_dir", "/data", ...flags];
  const container = start(nats, { args, mounts });
  started.push(container);
  const probe = ["bun", "mesh/images/probe.js", `http://127.0.0.1:${monitor}/healthz`];
  await untilReady(nats, container, probe);
  check("nats is healthy by its own probe", !container.ended(), container.said());
  return `nats://127.0.0.1:${port}`;
}

async function startReplica(
  { warmpath, check }: SystemRun,
  started: Container[],
  flags: readonly string[],
) {
  const port = await freePort();
  const entrypoint = ["bun", "benchmarks/replica/main.js"];
  const args = ["--host", "127.0.0.1", "--port", String(port), "--detached", ...flags];
  const container = start(warmpath, { entrypoint, args });
  started.push(container);
  const url = `http://127.0.0.1:${port}`;
  await untilReady(warmpath, container, ["bun", "mesh/images/probe.js", `${url}/health`]);
  check("the simulated replica is healthy by its own probe", !container.ended(), container.said());
  return url;
}

interface Place {
  readonly port: number;
  readonly stores: Stores;
  readonly models: Models;
  readonly secrets: string;
}

async function startService(run: SystemRun, name: ServiceName, place: Place): Promise<Container> {
  const { check, say, warmpath } = run;
  const service = composeService(name, place.port, place.stores, place.models);
  const startedAtMs = performance.now();
  const mounts = { [secretsPlace]: place.secrets };
  const container = start(warmpath, { args: service.args, env: service.env, mounts });
  try {
    await untilReady(warmpath, container, service.probe);
  } catch (error) {
    await container.stop(0);
    throw error;
  }
  const ms = Math.round(performance.now() - startedAtMs);
  say(`${name} was ready after ${ms} ms and holds ${container.status("VmRSS")}`);
  check(`${name} gets ready by its own probe`, true);
  check(
    `${name} runs as ${uid}`,
    container.status("Uid").startsWith(`${uid}\t`),
    container.status("Uid"),
  );
  const capabilities = container.status("CapEff") + container.status("CapPrm");
  check(`${name} has no capability`, /^0+$/.test(capabilities), capabilities);
  check(`${name} can gain no privilege`, container.status("NoNewPrivs") === "1");
  check(`${name} is process 1 of its container`, container.status("NSpid").endsWith("\t1"));
  return container;
}

/** Asks the container's own health check until it says yes. */
async function untilReady(image: BuiltImage, container: Container, probe: readonly string[]) {
  const deadlineMs = performance.now() + readyMsMax;
  for (;;) {
    const { exitCode, said } = await runToEnd(image, { entrypoint: [], args: probe });
    if (exitCode === 0) return;
    if (container.ended() || performance.now() > deadlineMs) {
      throw new Error(`${probe.at(-1)} is not ready (${said.trim()}): ${container.said()}`);
    }
    await Bun.sleep(100);
  }
}

/** One task from end to end by the image's own command line, and the console's files. */
async function useSystem({ warmpath, check }: SystemRun, port: number, key: string) {
  const submit = ["task", "submit", "assistant", "What is 6 times 7?", "--watch"];
  const env = { WARMPATH_PORT: String(port), WARMPATH_DEV_KEY: key };
  const task = await runToEnd(warmpath, { args: submit, env });
  check("a task runs from end to end", task.exitCode === 0, task.said);
  const { http } = portsOf(port).services.gateway;
  for (const path of ["/", "/console/main.js", "/console/style.css"]) {
    const response = await fetch(`http://127.0.0.1:${http}${path}`);
    const size = (await response.bytes()).byteLength;
    check(
      `the console's ${path} is served`,
      response.ok && size > 500,
      `${response.status}, ${size} B`,
    );
  }
}
