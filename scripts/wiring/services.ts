import { readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Transport } from "@connectrpc/connect";
import { type Gateway, startGateway } from "@warmpath/gateway";
import { type InferenceProxy, startInferenceProxy } from "@warmpath/inference-proxy";
import { type Orchestrator, startOrchestrator } from "@warmpath/orchestrator";
import { KeyService } from "@warmpath/proto/state";
import {
  type Bus,
  createMetrics,
  createServiceClient,
  type Metrics,
  type PrincipalSigner,
} from "@warmpath/runtime";
import { type Clock, systemRandom, WarmpathError } from "@warmpath/runtime/base";
import {
  createLogMetrics,
  ensureKey,
  logConfigFrom,
  type State,
  startState,
} from "@warmpath/state";
import { createTaskLog } from "@warmpath/state/log";
import type { Settings } from "./load-settings.ts";
import { portsOf, type ServiceName } from "./ports.ts";
import { promptSecretOf } from "./prompt-secret.ts";
import type { ProcessContext } from "./run-until-stopped.ts";
import { openAnswerVault, openLimitStore, type Storage } from "./storage.ts";

/** Deadline of a key's look-up, in ms: a caller waits for it before anything else happens. */
const callTimeoutMs = 5_000;

/** This repository's own documentation: what the sample agents search unless told otherwise. */
const ownDocs = fileURLToPath(new URL("../../docs", import.meta.url));

/** Tenant and user that the development key stands for. */
export const developer = { tenant: "dev", user: "developer" };

/** What every service of a process shares. */
export interface ServiceContext extends ProcessContext {
  readonly settings: Settings;
  readonly signer: PrincipalSigner;
  readonly clock: Clock;
  /** The metrics of a service: the same each time it is asked for. */
  metricsOf(name: ServiceName): Metrics;
}

/** Makes the metrics of each service when they are first asked for. */
export function createServiceMetrics(): ServiceContext["metricsOf"] {
  const made = new Map<ServiceName, Metrics>();
  return (name) => {
    const metrics = made.get(name) ?? createMetrics(name, { processMetrics: true });
    made.set(name, metrics);
    return metrics;
  };
}

/** The parts that every service is given in the same way. */
function common(name: ServiceName, context: ServiceContext) {
  const { settings, signer, clock, log, tracing } = context;
  const { host, port } = settings.system;
  const ports = portsOf(port).services[name];
  return {
    http: { host, port: ports.http },
    grpc: { host, port: ports.grpc },
    signer,
    clock,
    log: log.child({ service: name }),
    metrics: context.metricsOf(name),
    tracing: tracing(name),
  };
}

/**
 * Starts state over its storage. `isAlone`: no other process can be running this database's tasks.
 */
export async function launchState(
  context: ServiceContext,
  storage: Storage,
  { isAlone, devKey }: { isAlone: boolean; devKey: string | undefined },
): Promise<State> {
  const state = await startState({
    ...common("state", context),
    ...storage,
    config: context.settings.state,
    isQueueEmpty: context.settings.system.nats === undefined,
    isOnlyProcess: isAlone,
  });
  context.defer({ name: "state", close: (graceMs) => state.close(graceMs) });
  if (devKey !== undefined) {
    await ensureKey(storage.store, devKey, developer.tenant, developer.user);
  }
  return state;
}

/** Where the inference proxy's calls go, and what they cost. */
export interface Upstreams {
  readonly upstreams: readonly string[];
  readonly prices: readonly string[];
}

/** Starts the inference proxy in front of its upstreams. */
export async function launchInferenceProxy(
  context: ServiceContext,
  { state, bus, ...upstreams }: Upstreams & { state: Transport; bus: Bus },
): Promise<InferenceProxy> {
  const parts = common("inference-proxy", context);
  const proxy = await startInferenceProxy({
    ...parts,
    config: {
      ...context.settings.inferenceProxy,
      ...upstreams,
      promptSecret: promptSecretOf(context.settings),
    },
    keys: createServiceClient(KeyService, state, {
      signer: context.signer,
      tracing: parts.tracing,
      timeoutMs: callTimeoutMs,
    }),
    bus,
    secrets: {
      variable: (name) => process.env[name],
      file: (path) => readFileSync(path, "utf8"),
    },
    // The proxy closes these two with itself.
    limitStore: openLimitStore(context.settings, context.clock),
    answerVault: openAnswerVault(context.settings, context.clock, parts.log),
    // Nobody else is on a bus of this process.
    peerBus: context.settings.system.nats === undefined ? undefined : bus,
    fetchLimit: process.env["BUN_CONFIG_MAX_HTTP_REQUESTS"],
  });
  context.defer({ name: "inference proxy", close: (graceMs) => proxy.close(graceMs) });
  return proxy;
}

/** Starts a worker over the log, which it links as a library. */
export async function launchOrchestrator(
  context: ServiceContext,
  {
    state,
    inference,
    storage,
  }: {
    state: Transport;
    inference: Transport;
    storage: Storage;
  },
): Promise<Orchestrator> {
  const parts = common("orchestrator", context);
  const config = context.settings.orchestrator;
  const knowledgeDir = config.knowledgeDir ?? ownDocs;
  assertDirectory(knowledgeDir, "knowledge");
  const taskLog = createTaskLog({
    ...storage,
    clock: context.clock,
    log: parts.log,
    config: logConfigFrom(context.settings.state, storage.store.isEmbedded),
    observer: createLogMetrics(parts.metrics),
  });
  const orchestrator = await startOrchestrator({
    ...parts,
    config: { ...config, knowledgeDir },
    taskLog,
    bus: storage.bus,
    state,
    inference,
    random: systemRandom,
    storeReady: () => storage.store.ready(),
  });
  context.defer({ name: "orchestrator", close: (graceMs) => orchestrator.close(graceMs) });
  return orchestrator;
}

/** An agent that searches nothing would look as if the documents said nothing. */
function assertDirectory(path: string, name: string): void {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
    throw new WarmpathError(
      "rejected-config",
      `the ${name} directory ${path} is not there, or is no directory: check --${name}`,
    );
  }
}

/** Starts the outside door. */
export async function launchGateway(
  context: ServiceContext,
  { state, bus }: { state: Transport; bus: Bus },
): Promise<Gateway> {
  const gateway = await startGateway({
    ...common("gateway", context),
    config: context.settings.gateway,
    state,
    bus,
  });
  context.defer({ name: "gateway", close: (graceMs) => gateway.close(graceMs) });
  return gateway;
}
