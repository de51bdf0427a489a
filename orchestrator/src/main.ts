import { fileURLToPath } from "node:url";
import type { Transport } from "@connectrpc/connect";
import { InferenceService } from "@warmpath/proto/inference";
import { AgentRegistry, KnowledgeService } from "@warmpath/proto/state";
import {
  type Bus,
  createHealth,
  createRpcServer,
  createServiceClient,
  type Health,
  type Listener,
  listenGrpc,
  listenHttp,
  type Metrics,
  opsRoutes,
  type PrincipalSigner,
  type RpcServer,
  type ServiceClient,
  servicePrincipal,
  type Tracing,
} from "@warmpath/runtime";
import { type Clock, type Logger, type Random, WarmpathError } from "@warmpath/runtime/base";
import type { TaskLog } from "@warmpath/state/log";
import { createCatalog } from "./agents/catalog.ts";
import { loadAgentFiles } from "./agents/load-agents.ts";
import { keepRegistered } from "./agents/register-agents.ts";
import {
  callTimeoutMs,
  deltaIntervalMs,
  httpFetchRedirectsMax,
  type OrchestratorConfig,
  toolListTimeoutMs,
} from "./config.ts";
import { startWorker, type Worker } from "./dispatch/worker.ts";
import { keepKnowledge } from "./knowledge/load-knowledge.ts";
import { createOrchestratorMetrics, type OrchestratorMetrics } from "./metrics.ts";
import { crashAt, noCrash } from "./run/crash-point.ts";
import type { RunDeps } from "./run/run-loop.ts";
import { createDeltaPublisher } from "./steps/delta-publisher.ts";
import { createBulkhead } from "./tools/bulkhead.ts";
import { calculator } from "./tools/calculator.ts";
import { createHttpFetch } from "./tools/http-fetch/http-fetch.ts";
import { createKnowledgeSearch } from "./tools/knowledge-search.ts";
import { createToolbox, type Toolbox } from "./tools/toolbox.ts";

/**
 * Everything the orchestrator is given. Whether a neighbour is in this process is the transport's
 * affair.
 */
export interface OrchestratorDeps {
  readonly config: OrchestratorConfig;
  /** Absent: no listener (one process serves the ops routes of all its services elsewhere). */
  readonly http?: { readonly host: string; readonly port: number };
  readonly grpc?: { readonly host: string; readonly port: number };
  readonly taskLog: TaskLog;
  /** Throws when the log's database is not there; for readiness. */
  readonly storeReady?: () => Promise<void>;
  readonly inference: Transport;
  readonly state: Transport;
  readonly bus: Bus;
  readonly signer: PrincipalSigner;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly tracing: Tracing;
  readonly clock: Clock;
  readonly random: Random;
}

/** A running orchestrator. */
export interface Orchestrator {
  readonly rpc: RpcServer;
  readonly health: Health;
  readonly worker: Worker;
  readonly httpPort: number | undefined;
  readonly grpcPort: number | undefined;
  /** Drains the worker within the grace, then closes the listeners. */
  close(graceMs: number): Promise<void>;
}

const sampleAgentsDir = fileURLToPath(new URL("../agents", import.meta.url));

/** Starts a worker with its agents, tools and listeners. Throws when an agent file has a fault. */
export async function startOrchestrator(deps: OrchestratorDeps): Promise<Orchestrator> {
  const { config, log, clock, tracing, signer } = deps;
  const metrics = createOrchestratorMetrics(deps.metrics);
  const clientOptions = { signer, tracing, timeoutMs: callTimeoutMs };
  const inference = createServiceClient(InferenceService, deps.inference, clientOptions);
  const knowledge = createServiceClient(KnowledgeService, deps.state, clientOptions);
  const registry = createServiceClient(AgentRegistry, deps.state, clientOptions);
  const toolbox = createToolbox({
    builtins: [
      calculator,
      createKnowledgeSearch({ knowledge, inference, log }),
      createHttpFetch({
        allowedHosts: config.httpFetchAllowedHosts,
        limits: { bodyBytesMax: config.httpFetchBytesMax, redirectsMax: httpFetchRedirectsMax },
      }),
    ],
    ...deps,
    toolTriesMax: config.toolTriesMax,
    callTimeoutMs,
  });
  const directories = [...(config.sampleAgents ? [sampleAgentsDir] : []), ...config.agentsDirs];
  const files = await loadAgentFiles(directories, new Set(toolbox.builtins.keys()));
  const { builtins, service } = toolbox;
  const catalog = createCatalog({ files, builtins, service, toolListTimeoutMs, log });
  await catalog.resolve();

  const background = new AbortController();
  let isRegistered = false;
  const onRegistered = () => {
    isRegistered = true;
  };
  const health = createWorkerHealth(deps, inference, () => isRegistered);
  const rpc = createRpcServer({
    ...deps,
    service: "orchestrator",
    routes: () => undefined,
    health,
  });
  const listeners = await listen(deps, rpc, health);
  const run = runDeps(deps, { metrics, inference, toolbox, specOf: catalog.get });
  const worker = await startWorker({
    ...deps,
    metrics,
    run,
    crashPoint: run.tools.crashPoint,
    runsMax: config.runsMax,
    renewMs: config.renewMs,
    weights: {
      interactive: config.weightInteractive,
      standard: config.weightStandard,
      batch: config.weightBatch,
    },
  });
  const keepers = [
    keepRegistered({ catalog, registry, clock, log, metrics, onRegistered }, background.signal),
  ];
  const { knowledgeDir: directory, knowledgeScanMs: scanMs } = config;
  if (directory !== undefined) {
    const knowledgeDeps = { directory, knowledge, inference, clock, log, metrics, scanMs };
    keepers.push(keepKnowledge(knowledgeDeps, background.signal));
  }
  return {
    rpc,
    health,
    worker,
    httpPort: listeners.http?.port,
    grpcPort: listeners.grpc?.port,
    async close(graceMs) {
      health.setDraining();
      await worker.drain(graceMs);
      background.abort();
      await Promise.all(keepers);
      toolbox.close();
      await Promise.all([listeners.http?.close(graceMs), listeners.grpc?.close(graceMs)]);
    },
  };
}

/**
 * Ready to hold runs. Nobody calls a worker, so its readiness decides about rollouts and evictions
 * alone: one whose proxy is away waits with its runs, and unready it could be evicted with them.
 */
function createWorkerHealth(
  { clock, storeReady, bus }: OrchestratorDeps,
  inference: ServiceClient<typeof InferenceService>,
  areRegistered: () => boolean,
): Health {
  const health = createHealth({ clock });
  if (storeReady) health.check("store", storeReady);
  health.check("agents", async () => {
    if (!areRegistered()) {
      throw new WarmpathError("rejected-unavailable", "the agents are not registered yet");
    }
  });
  // Without it work is found by looking into the database.
  health.checkOptional("bus", () => bus.ready());
  health.checkOptional("inference-proxy", async (signal) => {
    await inference.listModels({}, { principal: servicePrincipal("orchestrator"), signal });
  });
  return health;
}

function runDeps(
  deps: OrchestratorDeps,
  parts: {
    readonly metrics: OrchestratorMetrics;
    readonly inference: RunDeps["model"]["inference"];
    readonly toolbox: Toolbox;
    readonly specOf: RunDeps["start"]["specOf"];
  },
): RunDeps {
  const { config, bus, clock, random, tracing, taskLog } = deps;
  const { metrics, inference, toolbox, specOf } = parts;
  const crashPoint = config.crashAt === undefined ? noCrash : crashAt(config.crashAt);
  return {
    start: { specOf },
    model: {
      inference,
      deltas: createDeltaPublisher({ bus, live: taskLog.live, clock, intervalMs: deltaIntervalMs }),
      clock,
      random,
      metrics,
      triesMax: config.modelTriesMax,
      refusedMsMax: config.modelRefusedMsMax,
      backoffBaseMs: config.modelBackoffMs,
      backoffMsMax: config.modelBackoffMsMax,
    },
    tools: {
      toolbox,
      metrics,
      tracing,
      clock,
      crashPoint,
      bulkhead: createBulkhead(config.toolConcurrencyMax),
      resultBytesMax: config.toolResultBytesMax,
      delegationDepthMax: config.delegationDepthMax,
    },
    historyMessagesMax: config.historyMessagesMax,
    claimsWithoutProgressMax: config.claimsWithoutProgressMax,
  };
}

async function listen(
  deps: OrchestratorDeps,
  rpc: RpcServer,
  health: Health,
): Promise<{ http: Listener | undefined; grpc: Listener | undefined }> {
  const ops = opsRoutes({ health, metrics: deps.metrics });
  const { log } = deps;
  const http = deps.http
    ? await listenHttp({
        ...deps.http,
        log,
        handle: async (request) =>
          (await rpc.fetch(request)) ?? (await ops(request)) ?? notFound(request),
      })
    : undefined;
  try {
    const grpc = deps.grpc ? await listenGrpc({ ...deps.grpc, servers: rpc, log }) : undefined;
    return { http, grpc };
  } catch (error) {
    await http?.close(0);
    throw error;
  }
}

function notFound(request: Request): never {
  const { pathname } = new URL(request.url);
  throw new WarmpathError("rejected-not-found", `nothing is served at ${pathname.slice(0, 200)}`);
}
