import { InferenceService } from "@warmpath/proto/inference";
import type { KeyService } from "@warmpath/proto/state";
import {
  type Bus,
  createRpcServer,
  type Health,
  type Listener,
  listenGrpc,
  type Metrics,
  opsRoutes,
  type Principal,
  type PrincipalSigner,
  principalHeader,
  type RpcServer,
  type ServiceClient,
  type Tracing,
} from "@warmpath/runtime";
import { type Clock, type Logger, type Random, systemRandom } from "@warmpath/runtime/base";
import {
  afterDeparture,
  type BodyBudget,
  createBodyBudget,
  type HttpAnswer,
  type HttpRequest,
  listenHttp1,
} from "@warmpath/runtime/http1";
import type { AnswerVault } from "./answer-cache/index.ts";
import type { Caller } from "./call/types.ts";
import { fetchLimitVariable, fetchLimitWanted, type InferenceProxyConfig } from "./config.ts";
import { parseControlPolicy } from "./formats/index.ts";
import { createInferenceService } from "./generate/service.ts";
import { createProxyHealth } from "./health.ts";
import { createMeans, type Means } from "./means.ts";
import type { LimitStore } from "./pace/index.ts";
import { probeUpstream, type SecretSource } from "./providers/index.ts";
import { type Authenticator, createAuthenticator } from "./relay/authenticate.ts";
import { createFlusher } from "./relay/flusher.ts";
import { createHandler, isApiPath } from "./relay/handle.ts";
import { type LookUp, startPodFollower } from "./upstream/follow-pods.ts";
import { type Monitor, startMonitor } from "./upstream/monitor.ts";

/** Where to listen; port 0 takes a free one. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** All that the inference proxy stands on. */
export interface InferenceProxyDeps {
  readonly config: InferenceProxyConfig;
  readonly http: Address;
  readonly grpc: Address;
  /** The store's keys; in this process or over gRPC. */
  readonly keys: ServiceClient<typeof KeyService>;
  readonly bus: Bus;
  readonly signer: PrincipalSigner;
  readonly metrics: Metrics;
  readonly tracing: Tracing;
  readonly log: Logger;
  readonly clock: Clock;
  /** Where several proxies share their limits; absent: each holds to them by itself. */
  readonly limitStore?: LimitStore | undefined;
  /** Answers that several proxies share; absent: each has its own. */
  readonly answerVault?: AnswerVault | undefined;
  /** Where several proxies tell each other what they have booked; absent: each knows its own. */
  readonly peerBus?: Bus | undefined;
  /** Where the keys of hosted providers are read from. */
  readonly secrets: SecretSource;
  /** Breaks ties of placement. Default: the system's. */
  readonly random?: Random;
  /** How names of upstreams are looked up. Default: by the system. */
  readonly lookUp?: LookUp | undefined;
  /** Value of BUN_CONFIG_MAX_HTTP_REQUESTS that this process was started with. */
  readonly fetchLimit?: string | undefined;
}

/** A running inference proxy. */
export interface InferenceProxy {
  readonly rpc: RpcServer;
  readonly httpPort: number;
  readonly grpcPort: number;
  /** Takes no new work, lets streams finish for `graceMs`, then cuts them. */
  close(graceMs: number): Promise<void>;
}

/**
 * Starts probing the upstreams and listening; resolves when each upstream has been looked at once.
 */
export async function startInferenceProxy(deps: InferenceProxyDeps): Promise<InferenceProxy> {
  const { config, log, clock, metrics, tracing } = deps;
  const random = deps.random ?? systemRandom;
  warnOfFetchLimit(log, deps.fetchLimit);
  const means = createMeans({
    config,
    log,
    clock,
    random,
    metrics,
    tracing,
    limitStore: deps.limitStore,
    answerVault: deps.answerVault,
    peerBus: deps.peerBus,
    secrets: deps.secrets,
  });
  const { call, models, proxyMetrics } = means;

  const health = createProxyHealth({ clock, pool: call.pool, keys: deps.keys, bus: deps.bus });
  const authenticator = await createAuthenticator({
    keys: deps.keys,
    bus: deps.bus,
    clock,
    lookUps: proxyMetrics.keyLookUps,
    limits: {
      keysMax: config.cachedKeysMax,
      ttlMs: config.keyCacheTtlMs,
      unknownTtlMs: config.unknownKeyTtlMs,
      lookUpsMax: config.keyLookUpsMax,
    },
  });
  const rpc = createInferenceRpc(deps, { means, authenticator, health });
  const answerApi = createHandler({
    call,
    models,
    authenticator,
    tracing,
    log,
    bodyBytesMax: config.bodyBytesMax,
    controls: parseControlPolicy(config),
    reuse: config,
    flusher: createFlusher({ clock, coalesceMs: config.coalesceMs }),
  });
  const answerOps = opsRoutes({ health, metrics });
  const watch = await watchUpstreams(deps, means);
  const answerOther = async (request: HttpRequest): Promise<HttpAnswer | Response> => {
    means.reportLoad();
    const asked = request.toFetch();
    return (await answerOps(asked)) ?? (await rpc.fetch(asked)) ?? (await answerApi(request));
  };
  const handle = (request: HttpRequest): Promise<HttpAnswer | Response> =>
    isApiPath(request) ? answerApi(request) : answerOther(request);
  const bodies = createBodyBudget(config.receivedBytesMax);
  const http = listenHttp1({ ...deps.http, log, clock, handle, bodies });
  const grpc = await listenGrpc({ ...deps.grpc, servers: rpc, log });
  await watch.firstRound;
  // Last: from here on the kernel sends us a share of what others could answer too.
  const shared = listenShared(deps, handle, bodies);
  return {
    rpc,
    httpPort: http.port,
    grpcPort: grpc.port,
    close: async (graceMs) => {
      health.setDraining();
      means.refuseNew();
      await Promise.all([shared?.close(graceMs), http.close(graceMs), grpc.close(graceMs)]);
      watch.close();
      authenticator.close();
      // The last answers have left, and their books are closed behind them.
      await new Promise<void>((resolve) => afterDeparture(resolve));
      await means.close();
    },
  };
}

/** Finds the pods of upstreams, and then probes them all, until it is closed. */
async function watchUpstreams(deps: InferenceProxyDeps, means: Means): Promise<Monitor> {
  const { config, log, clock, lookUp } = deps;
  const { pool } = means.call;
  const { probeTimeoutMs: timeoutMs } = config;
  const follower = startPodFollower({
    pool,
    limits: { intervalMs: config.upstreamLookUpMs, timeoutMs },
    clock,
    log,
    onMove: () => means.moved(),
    lookUp,
  });
  // The first look at the upstreams finds their pods in place.
  await follower.firstRound;
  const monitor = startMonitor({
    pool,
    probe: probeUpstream,
    log,
    clock,
    limits: {
      intervalMs: config.probeIntervalMs,
      timeoutMs,
      failuresMax: config.probeFailuresMax,
      modelsMax: config.modelsMax,
    },
  });
  return {
    firstRound: monitor.firstRound,
    close: () => {
      monitor.close();
      follower.close();
    },
  };
}

/** The port that several processes have in common, where one is set. */
function listenShared(
  { config, http: { host }, log, clock }: InferenceProxyDeps,
  handle: (request: HttpRequest) => Promise<HttpAnswer | Response>,
  bodies: BodyBudget,
): Listener | undefined {
  const { sharedPort: port } = config;
  return port === 0
    ? undefined
    : listenHttp1({ host, port, log, clock, sharesPort: true, handle, bodies });
}

/** The InferenceService behind both listeners. */
function createInferenceRpc(
  deps: InferenceProxyDeps,
  parts: {
    readonly means: Means;
    readonly authenticator: Authenticator;
    readonly health: Health;
  },
): RpcServer {
  const { config, metrics, tracing, log, clock, signer } = deps;
  const { call, models, placer } = parts.means;
  const { generatedBytesMax } = config;
  // The RPC server hands the very principal of `authenticate` to the handlers.
  const callers = new WeakMap<Principal, Caller>();
  const service = createInferenceService({
    call,
    models,
    placer,
    generatedBytesMax,
    operatorTenants: config.operatorTenants,
    requestsPerMinuteOf: (principal) => callers.get(principal)?.requestsPerMinute ?? 0,
  });
  return createRpcServer({
    service: "inference-proxy",
    routes: (router) => {
      router.service(InferenceService, service);
    },
    signer,
    // Services sign for the caller they act for; a client of our own sends its key, as over HTTP.
    authenticate: async (headers) => {
      const signed = headers.get(principalHeader);
      if (signed !== null) {
        return signer.verify(signed);
      }
      const caller = await parts.authenticator.authenticate(headers.get("authorization"));
      const { tenant, user, keyId } = caller;
      const principal: Principal = { tenant, user, keyId, agentChain: [] };
      callers.set(principal, caller);
      return principal;
    },
    metrics,
    tracing,
    log,
    clock,
    health: parts.health,
    limits: { messageBytesMax: config.bodyBytesMax },
  });
}

/**
 * Bun reads its limit when a process starts, so all that is left here is to say that it is too low.
 */
function warnOfFetchLimit(log: Logger, limit: string | undefined): void {
  if (!(Number(limit) >= fetchLimitWanted)) {
    log.warn("requests beyond 256 at a time will wait inside fetch", {
      variable: fetchLimitVariable,
      wanted: fetchLimitWanted,
    });
  }
}
