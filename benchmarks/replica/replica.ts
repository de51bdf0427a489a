import { type Clock, type Random, systemClock, systemRandom } from "@warmpath/runtime/base";
import { blockTokens, type ReplicaConfig, replicaLimits, replicaOptions } from "./config.ts";
import { Engine } from "./engine.ts";
import { ReplicaMetrics } from "./metrics.ts";
import { route } from "./routes.ts";

/** What a replica needs from outside; everything has a default that suits an in-process test. */
export interface ReplicaDeps {
  readonly config?: Partial<ReplicaConfig>;
  readonly clock?: Clock;
  /** Makes the ids; answers depend on the configured seed alone. */
  readonly random?: Random;
}

/** A listening replica. */
export interface Replica {
  readonly url: string;
  readonly port: number;
  /** Requests in flight, waiting ones included. */
  load(): number;
  /** Stops accepting, lets running requests end for `graceMs`, then cuts them. */
  close(graceMs?: number): Promise<void>;
}

/** Settings under which no simulated time passes: for benches of what stands in front. */
export const zeroLatency = { overheadMs: 0, prefillMsPerKilotoken: 0, decodeMs: 0 } as const;

/** Starts a simulated replica in this process, on a free port unless one is given. */
export function createReplica(deps: ReplicaDeps = {}): Replica {
  const given = { ...defaultConfig(), port: 0, ...deps.config };
  // A request longer than the whole cache could never start, and would block all behind it.
  const maxModelLen = Math.min(given.maxModelLen, given.kvBlocks * blockTokens);
  const config = { ...given, maxModelLen };
  const clock = deps.clock ?? systemClock;
  const random = deps.random ?? systemRandom;
  const metrics = new ReplicaMetrics(config.model, config, clock);
  const engine = new Engine(config, clock, metrics);
  const newHexId = () =>
    Array.from({ length: 4 }, () => Math.floor(random.next() * 0x10000))
      .map((part) => part.toString(16).padStart(4, "0"))
      .join("");
  const fingerprint = "vllm-0.32.0-simulated";
  const context = { config, clock, engine, metrics, newHexId, fingerprint };
  const server = Bun.serve({
    hostname: config.host,
    port: config.port,
    // A stream may be quiet for as long as its prompt waits.
    idleTimeout: 0,
    maxRequestBodySize: replicaLimits.bodyBytesMax,
    fetch: (request) => route(request, context),
  });
  const port = server.port ?? config.port;
  return {
    url: `http://${config.host}:${port}`,
    port,
    load: () => engine.load,
    async close(graceMs = 0) {
      // Not awaited: it resolves only when the last connection is gone, which idle ones may never
      // be.
      void server.stop(false);
      const deadlineMs = clock.monotonicMs() + graceMs;
      while (engine.load > 0 && clock.monotonicMs() < deadlineMs) await clock.sleep(10);
      await server.stop(true);
    },
  };
}

function defaultConfig(): ReplicaConfig {
  const entries = Object.entries(replicaOptions).map(([name, option]) => [name, option.fallback]);
  // Every replica option has a fallback, so the record has every key with the type its option
  // declares.
  return Object.fromEntries(entries) as ReplicaConfig;
}
