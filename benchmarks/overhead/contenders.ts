import { join } from "node:path";
import { spawnProcess } from "../system/spawn-process.ts";
import { startSystem } from "../system/start-system.ts";
import { startNginx } from "./nginx.ts";

/** Something that a request can go through on its way to the upstream. */
export interface Contender {
  readonly name: "direct" | "nginx" | "warmpath";
  readonly what: string;
  /** Starts it afresh in front of an upstream. */
  start(upstreamUrl: string): Promise<StartedContender>;
}

/** A contender that takes requests. */
export interface StartedContender {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Root of the processes whose CPU time is the contender's; absent where there is none. */
  readonly pid?: number;
  stop(): Promise<void>;
}

/** What is measured shares one core; load generator and upstream share the other. */
export const contenderCore = 0;
export const loadCore = 1;

/** No proxy at all: the floor that added latency is counted from. */
export const direct: Contender = {
  name: "direct",
  what: "the bare upstream",
  start: async (upstreamUrl) => ({ url: upstreamUrl, headers: {}, stop: async () => undefined }),
};

/** A plain reverse proxy. */
export function nginxContender(path: string, version: string): Contender {
  return {
    name: "nginx",
    what: `nginx ${version}, one worker, keep-alive both ways`,
    start: async (upstreamUrl) => {
      const nginx = await startNginx({ path, upstreamUrl, core: contenderCore });
      return { ...nginx, headers: {} };
    },
  };
}

/** The inference proxy as shipped: key checked, limits counted, placement booked, usage read. */
export const warmpath: Contender = {
  name: "warmpath",
  what: "the inference proxy inside `warmpath up`, the other layers idle beside it",
  start: async (upstreamUrl) => {
    const system = await startSystem({ upstreamUrls: [upstreamUrl], core: contenderCore });
    const headers = { authorization: `Bearer ${system.key}` };
    return { url: system.proxyUrl, headers, pid: system.pid, stop: system.stop };
  },
};

/** Starts the mock upstream in a process of its own. */
export async function startMockUpstream(): Promise<{ url: string; stop(): Promise<void> }> {
  const script = join(import.meta.dir, "mock-upstream.ts");
  const child = await spawnProcess({
    command: [process.execPath, script],
    core: loadCore,
    readyMs: 15_000,
  });
  // The mock prints this line itself.
  const { url } = JSON.parse(child.firstLine) as { url: string };
  return { url, stop: () => child.stop() };
}
