import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { startTestServers } from "../../scripts/test-servers.ts";
import { bootOnFreePorts, untilReady } from "./boot.ts";
import { type BenchProcess, spawnBackground } from "./spawn-process.ts";

/** A running inference proxy in a process of its own. */
export interface RunningProxy {
  readonly url: string;
  readonly key: string;
  /** The proxy's process; what it stands on is not below it. */
  readonly pid: number;
  stop(): Promise<void>;
}

/** What the proxy calls, and where it runs. */
export interface ProxyOptions {
  readonly upstreamUrls: readonly string[];
  readonly core: number;
  /** Of the state service beside it, which has nothing to do once keys are known. */
  readonly stateCore: number;
  /** Settings of the proxy beyond those above, as environment variables. */
  readonly settings?: Readonly<Record<string, string>>;
}

const drainMs = 5_000;
/** Of the proxy and of the state service. */
const usedOffsets = [10, 11, 30, 31];
const script = join(import.meta.dir, "../../scripts/warmpath.ts");

/**
 * Starts the proxy as it is deployed, `warmpath serve inference-proxy`, and what it needs beside
 * it: private PostgreSQL, Redis and NATS, and the state service. Throws with what is missing, and
 * how to get it, where one of them cannot run here.
 */
export async function startProxy(options: ProxyOptions): Promise<RunningProxy> {
  const servers = await startServers();
  try {
    return await bootOnFreePorts(usedOffsets, (base) => tryStartProxy(options, servers, base));
  } catch (error) {
    await servers.close();
    throw error;
  }
}

interface Servers {
  readonly urls: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

async function startServers(): Promise<Servers> {
  const servers = await startTestServers({ postgres: true, redis: true, nats: true });
  const urls: Record<string, string> = {};
  for (const kind of ["postgres", "redis", "nats"] as const) {
    const server = servers[kind];
    if (server === undefined || "skipped" in server) {
      await servers.close();
      throw new Error(`no ${kind}: ${server?.skipped}; ${server?.howTo}`);
    }
    urls[`WARMPATH_${kind.toUpperCase()}`] = server.url;
  }
  return { urls, close: () => servers.close() };
}

async function tryStartProxy(
  { upstreamUrls, core, stateCore, settings }: ProxyOptions,
  servers: Servers,
  base: number,
): Promise<RunningProxy> {
  const key = `wp_${randomBytes(32).toString("base64url")}`;
  const env = {
    ...servers.urls,
    WARMPATH_PORT: String(base),
    WARMPATH_PRINCIPAL_KEYS: randomBytes(32).toString("base64url"),
    WARMPATH_DEV_KEY: key,
    WARMPATH_LOG_LEVEL: "warn",
    WARMPATH_DRAIN_MS: String(drainMs),
  };
  const started: BenchProcess[] = [];
  const serve = async (name: string, port: number, place: number, own = {}) => {
    const command = [process.execPath, script, "serve", name];
    const child = spawnBackground({
      command,
      core: place,
      stopSignal: "SIGTERM",
      env: { ...env, ...own },
    });
    started.push(child);
    await untilReady(child, [`http://127.0.0.1:${port}/ready`]);
    return child;
  };
  const stopAll = async () => {
    for (const child of started.toReversed()) await child.stop(drainMs + 5_000);
  };
  try {
    await serve("state", base + 30, stateCore);
    const upstreams = { WARMPATH_UPSTREAM: upstreamUrls.join(",") };
    const proxy = await serve("inference-proxy", base + 10, core, { ...settings, ...upstreams });
    return {
      url: `http://127.0.0.1:${base + 10}`,
      key,
      pid: proxy.pid,
      stop: async () => {
        await stopAll();
        await servers.close();
      },
    };
  } catch (error) {
    await stopAll();
    throw error;
  }
}
