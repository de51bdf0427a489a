import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { freePortBlock } from "./free-port.ts";
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

/** A cold first start migrates an empty database; a busy machine takes its time. */
const readyMs = 60_000;
const drainMs = 5_000;
const triesMax = 5;
const usedOffsets = [0, 1, 10, 11, 20, 21, 30, 31];
const script = join(import.meta.dir, "../../scripts/warmpath.ts");

/**
 * Boots the system with a data directory of its own and waits until it says that it is ready. A
 * port that somebody takes between looking and listening costs another try.
 */
export async function startSystem(options: SystemOptions): Promise<RunningSystem> {
  for (let tries = 1; ; tries++) {
    try {
      return await tryStartSystem(options);
    } catch (error) {
      const isPortTaken = error instanceof Error && /port \d+ on \S+ is in use/.test(error.message);
      if (!isPortTaken || tries === triesMax) throw error;
    }
  }
}

async function tryStartSystem(options: SystemOptions): Promise<RunningSystem> {
  const base = await freePortBlock(usedOffsets);
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
    await untilReady([`${gatewayUrl}/ready`, `${proxyUrl}/ready`], child.ended);
  } catch (cause) {
    await stop();
    throw new Error(`the system did not get ready; it said: ${child.said()}`, { cause });
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

async function untilReady(urls: readonly string[], ended: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + readyMs;
  for (const url of urls) {
    for (;;) {
      const status = await fetch(url).then(
        (response) => response.status,
        // Nobody listens yet.
        () => 0,
      );
      if (status === 200) break;
      if (ended()) throw new Error("it ended before it was ready");
      if (performance.now() > deadlineMs) throw new Error(`${url} is not ready: status ${status}`);
      await Bun.sleep(50);
    }
  }
}
