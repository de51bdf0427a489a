import { InferenceService } from "@warmpath/proto/inference";
import {
  AgentRegistry,
  ConversationService,
  KnowledgeService,
  TaskService,
} from "@warmpath/proto/state";
import {
  type Bus,
  createMemoryBus,
  createMetrics,
  createRpcServer,
  createServiceClient,
  tracingOff,
} from "@warmpath/runtime";
import { silentLogger, systemClock } from "@warmpath/runtime/base";
import { createTestSigner } from "@warmpath/runtime/testing";
import { createStateServer, logConfigDefault } from "@warmpath/state";
import { createTaskLog, type DispatchQueue, type HotStore, type Store } from "@warmpath/state/log";
import { createMemoryHot, createMemoryQueue, openTestStore } from "@warmpath/state/testing";
import { createScriptedModel, type Script } from "./scripted-model.ts";

/**
 * What the orchestrator stands on: the real state service and log on PGlite, and a scripted model.
 */
export type TestSystem = Awaited<ReturnType<typeof openTestSystem>>;

/** Database, hot store, queue and bus under a test system. */
export interface TestServers {
  readonly store: Store;
  readonly hot: HotStore;
  readonly queue: DispatchQueue;
  readonly bus: Bus;
  close(): Promise<void>;
}

/** PGlite, and everything else in memory. */
async function embeddedServers(): Promise<TestServers> {
  const { store, close } = await openTestStore("PGlite");
  const hot = createMemoryHot(systemClock);
  const queue = createMemoryQueue(systemClock);
  return { store, hot, queue, bus: createMemoryBus(), close };
}

/** Opens it; close it. */
export async function openTestSystem(options: {
  script: Script;
  leaseMs?: number | undefined;
  /** Default: embedded ones. */
  servers?: TestServers | undefined;
}) {
  const clock = systemClock;
  const log = silentLogger;
  const servers = options.servers ?? (await embeddedServers());
  const { store, bus } = servers;
  const config = { ...logConfigDefault, leaseMs: options.leaseMs ?? logConfigDefault.leaseMs };
  const shared = { store, hot: servers.hot, queue: servers.queue, clock, log };
  const server = createStateServer({ ...shared, bus, config, sweepMs: 100 });
  const taskLog = createTaskLog({ ...shared, bus, config, pump: server.pump });
  const model = createScriptedModel(options.script);
  const signer = createTestSigner();
  const metrics = createMetrics("orchestrator");
  const rpc = { signer, metrics, tracing: tracingOff, log, clock };
  const state = createRpcServer({ ...rpc, service: "state", routes: server.routes }).transport();
  const inference = createRpcServer({ ...rpc, service: "model", routes: model.routes }).transport();
  const clientOptions = { signer, tracing: tracingOff, timeoutMs: 5_000 };
  return {
    clock,
    log,
    store,
    bus,
    taskLog,
    model,
    signer,
    metrics,
    tracing: tracingOff,
    transports: { state, inference },
    clients: {
      tasks: createServiceClient(TaskService, state, clientOptions),
      registry: createServiceClient(AgentRegistry, state, clientOptions),
      knowledge: createServiceClient(KnowledgeService, state, clientOptions),
      conversations: createServiceClient(ConversationService, state, clientOptions),
      inference: createServiceClient(InferenceService, inference, clientOptions),
    },
    /** Begins to dispatch what nobody claimed and what lost its lease. */
    sweep: () => server.start({ isQueueEmpty: false, isOnlyProcess: false }),
    async close() {
      await server.stop();
      await servers.close();
    },
  };
}
