import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { bootOnFreePorts, untilReady } from "./boot.ts";
import { spawnBackground } from "./spawn-process.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** A running Warmpath: all layers in one process, as `warmpath up` starts it. */
export interface RunningSystem {
  readonly gatewayUrl: string;
  /** Host and port of native gRPC at the gateway. */
  readonly gatewayGrpc: string;
  readonly proxyUrl: string;
  /** Host and port of native gRPC at the inference proxy. */
  readonly proxyGrpc: string;
  /** First port of the block, and where it keeps its data: what the command line is told. */
  readonly port: number;
  readonly dataDir: string;
  readonly key: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** What the system stands on; absent parts are the embedded ones. */
export interface SystemOptions {
  readonly upstreamUrls: readonly string[];
  readonly postgresUrl?: string;
  readonly redisUrl?: string;
  readonly natsUrl?: string;
  readonly core?: number;
  /** The key that is valid from the start; absent: one of its own. */
  readonly key?: string;
  /** Settings beyond those above, as environment variables. */
  readonly settings?: Readonly<Record<string, string>>;
}

const drainMs = 5_000;
const usedOffsets = [0, 1, 10, 11, 20, 21, 30, 31];
const script = join(import.meta.dir, "../../scripts/warmpath.ts");

/** Boots the system with a data directory of its own and waits until it says that it is ready. */
export function startSystem(options: SystemOptions): Promise<RunningSystem> {
  return bootOnFreePorts(usedOffsets, (base) => tryStartSystem(options, base));
}

async function tryStartSystem(options: SystemOptions, base: number): Promise<RunningSystem> {
  const folder = temporaryFolder("warmpath-bench-");
  const dataDir = folder.path;
  const { key = `wp_${randomBytes(32).toString("base64url")}` } = options;
  const flags = [
    ["--port", String(base)],
    ["--data-dir", dataDir],
    ["--log-level", "warn"],
    ["--drain-ms", String(drainMs)],
    ["--upstream", options.upstreamUrls.join(",")],
    ...(options.postgresUrl === undefined ? [] : [["--postgres", options.postgresUrl]]),
    ...(options.redisUrl === undefined ? [] : [["--redis", options.redisUrl]]),
    ...(options.natsUrl === undefined ? [] : [["--nats", options.natsUrl]]),
  ].flat();
  const child = spawnBackground({
    command: [process.execPath, script, "up", ...flags],
    env: { ...options.settings, WARMPATH_DEV_KEY: key },
    stopSignal: "SIGTERM",
    ...(options.core === undefined ? {} : { core: options.core }),
  });
  const stop = async () => {
    await child.stop(drainMs + 5_000);
    folder.remove();
  };
  const gatewayUrl = `http://127.0.0.1:${base}`;
  const proxyUrl = `http://127.0.0.1:${base + 10}`;
  try {
    await untilReady(child, [`${gatewayUrl}/ready`, `${proxyUrl}/ready`]);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    gatewayUrl,
    gatewayGrpc: `127.0.0.1:${base + 1}`,
    proxyUrl,
    proxyGrpc: `127.0.0.1:${base + 11}`,
    port: base,
    dataDir,
    key,
    pid: child.pid,
    stop,
  };
}
