import { join } from "node:path";
import { spawnProcess } from "../system/spawn-process.ts";
import { startProxy } from "../system/start-proxy.ts";

/** Something that a request can go through on its way to the upstream. */
export interface Contender {
  readonly name: string;
  /** What it is and which version, for the report. */
  readonly what: string;
  /** Starts it afresh in front of an upstream; resolves when it answers. */
  start(upstreamUrl: string): Promise<StartedContender>;
}

/** A contender that takes requests. */
export interface StartedContender {
  /** Its address, without a path. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Root of the processes whose CPU time is the contender's; absent where there is none. */
  readonly pid?: number;
  stop(): Promise<void>;
}

/** What is measured has one core to itself; load generator and upstream share the other. */
export const contenderCore = 0;
export const loadCore = 1;

/** No proxy at all: the floor that added latency is counted from. */
export const direct: Contender = {
  name: "direct",
  what: "the bare upstream: bound by the core that makes the load",
  start: async (upstreamUrl) => ({ url: upstreamUrl, headers: {}, stop: async () => undefined }),
};

/**
 * More places than any load here keeps under way: one upstream stands for a fleet, and its places
 * are not what is measured. The rest is set as the launcher and the image set it.
 */
const settings = {
  WARMPATH_REPLICA_IN_FLIGHT_MAX: "8192",
  BUN_CONFIG_MAX_HTTP_REQUESTS: "65535",
  MIMALLOC_PURGE_DELAY: "10000",
};

/** The inference proxy as deployed: key checked, limits counted, placement booked, usage read. */
export const warmpath: Contender = {
  name: "warmpath",
  what:
    "the inference proxy, `warmpath serve inference-proxy`; the state service, PostgreSQL, Redis and NATS, " +
    "which it needs and hardly uses, run beside the load",
  start: async (upstreamUrl) => {
    const { key, ...proxy } = await startProxy({
      upstreamUrls: [upstreamUrl],
      core: contenderCore,
      stateCore: loadCore,
      settings,
    });
    return { ...proxy, headers: { authorization: `Bearer ${key}` } };
  },
};

/** The mock upstream in a process of its own. */
export async function startMockUpstream(): Promise<{
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}> {
  const child = await spawnProcess({
    command: [process.execPath, join(import.meta.dir, "upstream/main.ts")],
    core: loadCore,
    readyMs: 15_000,
  });
  // The mock prints this line itself.
  const { url, pid } = JSON.parse(child.firstLine) as { url: string; pid: number };
  return { url, pid, stop: () => child.stop() };
}
