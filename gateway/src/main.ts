import type { Transport } from "@connectrpc/connect";
import { AgentService } from "@warmpath/proto/gateway";
import {
  type Bus,
  createHealth,
  createRpcServer,
  listenGrpc,
  listenHttp,
  type Metrics,
  opsRoutes,
  type PrincipalSigner,
  type RpcServer,
  servicePrincipal,
  type Tracing,
} from "@warmpath/runtime";
import { type Clock, type Logger, WarmpathError } from "@warmpath/runtime/base";
import { createAgents } from "./agents.ts";
import { createAuthenticator } from "./authenticate.ts";
import type { ChatDeps } from "./chat.ts";
import type { GatewayConfig } from "./config.ts";
import { createDoor } from "./door.ts";
import { createConsolePage } from "./http/console-page.ts";
import { createCors } from "./http/cors.ts";
import { createHttpHandler } from "./http.ts";
import { createRequestLimiter } from "./limits/requests-per-minute.ts";
import { createGatewayMetrics } from "./metrics.ts";
import { createStateClients, type StateClients } from "./state-clients.ts";
import { createAgentService } from "./tasks.ts";
import { createWatchHub } from "./watch/hub.ts";

/** Where a listener listens. */
export interface Address {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
}

/**
 * What the gateway stands on. Whether `state` is in this process is decided by the transport alone.
 */
export interface GatewayDeps {
  readonly config: GatewayConfig;
  readonly http: Address;
  readonly grpc: Address;
  readonly state: Transport;
  readonly bus: Bus;
  readonly signer: PrincipalSigner;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly tracing: Tracing;
  readonly clock: Clock;
}

/** A running gateway. */
export interface Gateway {
  readonly rpc: RpcServer;
  readonly httpPort: number;
  readonly grpcPort: number;
  /**
   * Not ready at once; streams are told to resume elsewhere; calls under way end within the grace.
   */
  close(graceMs: number): Promise<void>;
}

/** Composes the gateway and opens its two listeners. */
export async function startGateway(deps: GatewayDeps): Promise<Gateway> {
  const { config, clock, log, signer, tracing } = deps;
  const metrics = createGatewayMetrics(deps.metrics);
  const stateOptions = { signer, tracing, timeoutMs: config.stateTimeoutMs };
  const state = createStateClients(deps.state, stateOptions);
  const draining = new AbortController();
  const authenticator = await createAuthenticator({
    lookUp: (hash) => lookUpKey(state, hash),
    bus: deps.bus,
    clock,
    metrics,
    config,
  });
  const limiter = createRequestLimiter({ clock, keysMax: config.limitedKeysMax });
  const door = createDoor({ authenticator, limiter, metrics });
  const agents = createAgents({
    fetchAgents: async (principal) => (await state.agents.listAgents({}, { principal })).agents,
    clock,
    cacheMs: config.agentsCacheMs,
  });
  const hub = createWatchHub({
    bus: deps.bus,
    readPage: (principal, request) => state.tasks.readEvents(request, { principal }),
    clock,
    log,
    metrics,
    pollMs: config.watchPollMs,
    pollFailuresMax: config.watchPollFailuresMax,
    watchersMax: config.watchersMax,
  });
  const watch = { hub, clock, limits: config, draining: draining.signal };
  const chat = { state, agents, door, watch, metrics, bodyBytesMax: config.bodyBytesMax };
  const health = createGatewayHealth(deps, state);
  const rpc = createRpcServer({
    service: "gateway",
    routes: (router) => void router.service(AgentService, createAgentService(chat)),
    signer: undefined,
    authenticate: async (headers) => (await door.enter(headers)).principal,
    metrics: deps.metrics,
    tracing,
    log,
    clock,
    health,
    limits: { messageBytesMax: config.bodyBytesMax },
  });
  const listeners = await listen(deps, rpc, chat, opsRoutes({ health, metrics: deps.metrics }));
  return {
    rpc,
    httpPort: listeners.http.port,
    grpcPort: listeners.grpc.port,
    async close(graceMs) {
      health.setDraining();
      const sentence = "This gateway is shutting down; resume from the last cursor.";
      draining.abort(new WarmpathError("rejected-draining", sentence, { retryAfterMs: 500 }));
      await Promise.all([listeners.http.close(graceMs), listeners.grpc.close(graceMs)]);
      authenticator.close();
    },
  };
}

async function listen(
  deps: GatewayDeps,
  rpc: RpcServer,
  chat: ChatDeps,
  ops: (request: Request) => Promise<Response | undefined>,
) {
  const { clock, config, log, tracing } = deps;
  const page = createConsolePage();
  const handle = createHttpHandler({
    ops,
    rpc,
    cors: createCors(config.corsOrigins),
    page,
    chat,
    query: { ...chat, clock, timeoutMs: config.queryTimeoutMs },
    tracing,
    log,
  });
  const http = await listenHttp({ ...deps.http, handle, log });
  try {
    const grpc = await listenGrpc({ ...deps.grpc, servers: rpc, log });
    // In the background: the page's first visitor need not wait for the bundler, and nobody else
    // does either.
    page.warm().catch((error: unknown) => log.error("the console did not build", { error }));
    return { http, grpc };
  } catch (thrown) {
    await http.close(0);
    throw thrown;
  }
}

/** Ready when keys can be checked; without the bus there is no live text, and watchers poll. */
function createGatewayHealth({ bus, clock }: GatewayDeps, state: StateClients) {
  const health = createHealth({ clock });
  health.check("state", async (signal) => {
    await state.agents.listAgents({}, { principal: servicePrincipal("gateway"), signal });
  });
  health.checkOptional("bus", () => bus.ready());
  return health;
}

async function lookUpKey(state: StateClients, secretHash: Uint8Array) {
  try {
    const principal = servicePrincipal("gateway");
    return (await state.keys.lookUpKey({ secretHash }, { principal })).key;
  } catch (thrown) {
    if (WarmpathError.from(thrown).code === "not_found") {
      return undefined;
    }
    throw thrown;
  }
}
