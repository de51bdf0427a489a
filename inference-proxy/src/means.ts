import type { Bus, Metrics, Tracing } from "@warmpath/runtime";
import { type Clock, type Logger, type Random, WarmpathError } from "@warmpath/runtime/base";
import { createHttp1Client } from "@warmpath/runtime/http1";
import {
  type AnswerStore,
  type AnswerVault,
  createAnswerReuse,
  createAnswerStore,
} from "./answer-cache/index.ts";
import { createAfterwards } from "./call/afterwards.ts";
import { createCacheNews } from "./call/cache-news.ts";
import { createCostAccounts } from "./call/cost-accounts.ts";
import { createFailover, type Failover, parseModelFailover } from "./call/failover.ts";
import { guardPlacing } from "./call/guard-placing.ts";
import { limitRules } from "./call/limit-rules.ts";
import { createModels, type Models, parseModelTiers } from "./call/models.ts";
import type { CallMeans } from "./call/open-call.ts";
import { createPlacement } from "./call/placement.ts";
import { parsePrices, typicalPrice } from "./call/prices.ts";
import { createCallPrompts } from "./call/prompts.ts";
import { createReplicaGates } from "./call/replica-gate.ts";
import { createLoadReport, reportHealth } from "./call/report-load.ts";
import type { AnswerReuse } from "./call/reuse.ts";
import type { InferenceProxyConfig } from "./config.ts";
import { createUpstreamPaths } from "./formats/index.ts";
import { type KvKnowledge, parseConfiguredSources, startKvKnowledge } from "./kv-events/index.ts";
import { createReplicaPaces, createTokenRatios } from "./learn/index.ts";
import { createInferenceProxyMetrics, type InferenceProxyMetrics } from "./metrics.ts";
import {
  createAnswerEstimates,
  createLimiter,
  type Limiter,
  type LimitStore,
} from "./pace/index.ts";
import { Outbox, type Peers, secretName, startPeers } from "./peers/index.ts";
import { furthestRefusal, Placer } from "./pick/index.ts";
import type { Prompts } from "./prompt/index.ts";
import { parseProviders, type SecretSource } from "./providers/index.ts";
import {
  anyRequestOf,
  createRouter,
  parseRouteRules,
  type Router,
  roomOf,
} from "./providers/route/index.ts";
import { openReceipts } from "./receipts/index.ts";
import { createResilience } from "./resilience.ts";
import { parseUpstreams, sharedNameOf } from "./upstream/pod-places.ts";
import { createPool, type Pool } from "./upstream/pool.ts";
import { splitRanks } from "./upstream/ranks.ts";
import { uniquelyNamed } from "./upstream/replica.ts";
import { createWatchdog } from "./upstream/watchdog.ts";

/** Everything between the edges and the upstreams, joined by configuration. */
export interface Means {
  readonly call: CallMeans;
  readonly models: Models;
  readonly placer: Placer;
  readonly proxyMetrics: InferenceProxyMetrics;
  /** Sets the gauges that are only worth computing when somebody reads them. */
  reportLoad(): void;
  /** Pods have moved among the places of their upstreams. */
  moved(): void;
  /** Refuses those who wait for a place and those who still come; the process is going away. */
  refuseNew(): void;
  close(): Promise<void>;
}

/**
 * How often time limits are looked at: late by at most this, in exchange for no timer per request.
 */
const watchdogTickMs = 100;
/**
 * vLLM's server closes a connection after 5 s of silence: ours go before that. Beyond this many
 * idle ones each request opens its own.
 */
const keptConnections = { keptMs: 4000, idleMaxPerOrigin: 1024 };
/** A place comes free within about a second wherever requests are in flight at all. */
const retryAfterMs = 1000;

/** What the means are built from. */
interface MeansOptions {
  readonly config: InferenceProxyConfig;
  readonly log: Logger;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: Metrics;
  readonly tracing: Tracing;
  /** Where the keys of hosted providers are read from. */
  readonly secrets: SecretSource;
  /** Where several proxies share their limits; absent: each holds to them by itself. */
  readonly limitStore?: LimitStore | undefined;
  /** Answers that several proxies share; absent: each has its own. */
  readonly answerVault?: AnswerVault | undefined;
  /** Where several proxies tell each other what they have booked; absent: each knows its own. */
  readonly peerBus?: Bus | undefined;
}

/**
 * Builds the policy's state and the pool; starts nothing but the watchdog's timer and the followers
 * of engines' events.
 */
export function createMeans(options: MeansOptions): Means {
  const { config, log, clock, random, tracing } = options;
  const pool = createUpstreams(options);
  const watchdog = createWatchdog({
    clock,
    tickMs: watchdogTickMs,
    onFault: (error) => log.error("what was due failed", { error }),
  });
  const client = createHttp1Client(keptConnections, clock);
  const resilience = createResilience({ config, pool, clock, random, log });
  const outbox = outboxFor(options, pool);
  const placer = placerFor(options, pool, outbox);
  const placing = guardPlacing(placer, resilience.breakers);
  const queued = { pool, placer, placing, clock, watchdog, retryAfterMs };
  const placement = createPlacement({ ...queued, limits: queueLimits(config) });
  const answers = createAnswerStore({ clock, limits: config });
  const proxyMetrics = createInferenceProxyMetrics(
    options.metrics,
    { waiting: () => placement.waiting, waitingBytes: () => placement.waitingBytes },
    { bytes: () => answers.bytes, count: () => answers.count },
  );
  resilience.start({ metrics: proxyMetrics });
  const paces = createReplicaPaces();
  const limiter = limiterOf(options, proxyMetrics);
  const kvKnowledge = followEngines(options, pool, placer, proxyMetrics);
  const estimates = estimatesOf(config);
  const prompts = createCallPrompts(config, clock, estimates.ratios, kvKnowledge);
  const peers = peersOf(options, { placing: placer, prompts }, outbox, proxyMetrics);
  const models = modelsOf(config, pool);
  const receipts = openReceipts({ config, clock, log, metrics: proxyMetrics });
  reportHealth(proxyMetrics, pool);
  return {
    placer,
    proxyMetrics,
    models,
    call: {
      pool,
      placement,
      ...resilience,
      clock,
      log,
      tracing,
      afterwards: createAfterwards(log),
      metrics: proxyMetrics,
      limiter,
      ...estimates,
      gates: createReplicaGates({
        means: estimates,
        limiter,
        watchdog,
        clock,
        wake: () => placement.wake(),
      }),
      prompts,
      paces,
      kvKnowledge,
      receipts,
      attempt: { limits: config, watchdog, client },
      paths: createUpstreamPaths(clock),
      router: createRouting(options, pool, placer),
      failover: failoverOf(options, pool, proxyMetrics),
      reuse: reuseOf(options, answers, models, proxyMetrics),
    },
    reportLoad: createLoadReport(proxyMetrics, { config, pool, placement, placer, paces, clock }),
    moved: () => peers?.rename(pool.replicas.map(({ address }) => sharedNameOf(address))),
    refuseNew: () => placement.close(shuttingDown()),
    close: async () => {
      resilience.close();
      watchdog.close();
      client.close();
      options.answerVault?.close();
      await peers?.close();
      await limiter.close();
      await kvKnowledge.close();
      await receipts.close();
    },
  };
}

function shuttingDown(): WarmpathError {
  return new WarmpathError("rejected-draining", "The proxy is shutting down.", { retryAfterMs });
}

/** Stored answers, of this process and of all, and calls that several share. */
function reuseOf(
  { config: limits, answerVault: vault }: MeansOptions,
  store: AnswerStore,
  models: Models,
  { answerCache: metrics }: InferenceProxyMetrics,
): AnswerReuse {
  return createAnswerReuse({ store, metrics, models, limits, vault });
}

/** The models that stand in for others, as configuration declares them. */
function failoverOf(
  { config, clock, log }: MeansOptions,
  pool: Pool,
  metrics: InferenceProxyMetrics,
): Failover | undefined {
  const pairs = parseModelFailover(config.modelFailover);
  const waitMs = config.modelFailoverWaitMs;
  return createFailover({ pairs, waitMs, pool, clock, log, metrics });
}

function placerFor(
  { config, random }: MeansOptions,
  { endpoints }: Pool,
  listener: Outbox | undefined,
): Placer {
  const adapterLoadSeconds = config.adapterLoadMs / 1000;
  return new Placer({
    names: endpoints.map(({ name }) => name),
    random,
    listener,
    adapterLoadSeconds,
  });
}

/** What is noted for other proxies; undefined where nothing is told to them. */
function outboxFor({ config, peerBus }: MeansOptions, { endpoints }: Pool): Outbox | undefined {
  return peerBus === undefined || config.peerBeatMs === 0
    ? undefined
    : new Outbox(endpoints.map(({ name }) => name));
}

/** The other proxies, where bookings are shared. */
function peersOf(
  { config, clock, log, peerBus: bus }: MeansOptions,
  shared: { readonly placing: Placer; readonly prompts: Prompts },
  outbox: Outbox | undefined,
  { peers: metrics }: InferenceProxyMetrics,
): Peers | undefined {
  if (bus === undefined || outbox === undefined) {
    return undefined;
  }
  const keysOf = secretName(config.promptSecret);
  return startPeers({ bus, ...shared, outbox, keysOf, clock, log, metrics, limits: config });
}

/** The table of routes, joined with what has room now; undefined without a table. */
function createRouting(
  { config, clock }: MeansOptions,
  pool: Pool,
  placer: Placer,
): Router | undefined {
  if (config.routes.length === 0) {
    return undefined;
  }
  const prices = parsePrices(config.prices);
  const inFlight = (endpoint: string) => placer.inFlight(endpoint);
  return createRouter({
    rules: parseRouteRules(config.routes),
    overflowWaitMs: config.overflowWaitMs,
    stayMs: config.routeStayMs,
    sessionsMax: config.routeSessionsMax,
    clock,
    roomOf: (model) => roomOf(furthestRefusal(pool.endpoints, inFlight, anyRequestOf(model))),
    priceOf: (model) => typicalPrice(prices, model),
    onChange: (listener) => pool.onChange(listener),
  });
}

/** Our own engines and hosted providers, which placement does not tell apart. */
function createUpstreams({ config, secrets }: MeansOptions): Pool {
  return createPool({
    addresses: uniquelyNamed([
      ...splitRanks(
        parseUpstreams(config.upstreams, config.upstreamApiKey, config.upstreamPodsMax),
        config.dataParallelRanks,
      ),
      ...parseProviders(config.providers, secrets),
    ]),
    inFlightMax: config.replicaInFlightMax,
  });
}

function queueLimits(config: InferenceProxyConfig) {
  return {
    requestsMax: config.queueRequestsMax,
    bytesMax: config.queueBytesMax,
    passedOverMax: config.lanePassedOverMax,
    programsMax: config.programsMax,
    delayMsMax: config.programDelayMsMax,
  };
}

/** What says how much a call will probably use, and what that costs. */
function estimatesOf(config: InferenceProxyConfig) {
  return {
    ratios: createTokenRatios({ modelsMax: config.modelsMax }),
    answers: createAnswerEstimates({ namesMax: config.limitBucketsMax }),
    prices: parsePrices(config.prices),
    costs: createCostAccounts({ accountsMax: config.costAccountsMax }),
    limits: { ...config, retryAfterMs },
  };
}

/** The limits of this process, shared with others where there is a store for it. */
function limiterOf(
  { config, clock, log, limitStore }: MeansOptions,
  proxyMetrics: InferenceProxyMetrics,
): Limiter {
  return createLimiter({
    rules: limitRules(config),
    clock,
    accountsMax: config.limitBucketsMax,
    topUpTokens: config.limitTopUpTokens,
    ...(limitStore && {
      shared: {
        store: limitStore,
        holder: crypto.randomUUID(),
        onStore: (isThere: boolean) => sayStore(log, proxyMetrics, isThere),
      },
    }),
  });
}

function followEngines(
  { config, clock, random, log }: Pick<MeansOptions, "config" | "clock" | "random" | "log">,
  pool: Pool,
  placer: Placer,
  { kvEvents: metrics }: InferenceProxyMetrics,
): KvKnowledge {
  const names = pool.replicas.map(({ address }) => address.name);
  return startKvKnowledge({
    pool,
    configured: parseConfiguredSources(config.kvEvents, names),
    clock,
    random,
    log,
    metrics,
    news: createCacheNews(placer, names),
    limits: {
      isDiscovering: config.kvEventsDiscovered,
      timeoutMs: config.probeTimeoutMs,
      stallMs: config.kvEventsStallMs,
      blocksMax: config.kvEventsBlocksMax,
      messageBytesMax: config.kvEventsMessageBytesMax,
    },
  });
}

/** People hear once that limits are not shared now, and once that they are again. */
function sayStore(log: Logger, metrics: InferenceProxyMetrics, isThere: boolean): void {
  metrics.storeAway.set(isThere ? 0 : 1);
  if (isThere) {
    log.info("limits are shared again");
  } else {
    log.warn("the store of shared limits does not answer: each limit goes by its on-error");
  }
}

function modelsOf(config: InferenceProxyConfig, pool: Pool): Models {
  const { defaultModel, embeddingModel } = config;
  return createModels({
    pool,
    tiers: parseModelTiers(config.modelTiers),
    defaultModel,
    embeddingModel,
  });
}
