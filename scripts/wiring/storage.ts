import {
  type AnswerVault,
  createRedisLimitStore,
  createRedisVault,
  type LimitStore,
} from "@warmpath/inference-proxy";
import {
  type Bus,
  createBusMetrics,
  createMemoryBus,
  createNatsBus,
  type Metrics,
  namespacedBus,
} from "@warmpath/runtime";
import { type Clock, type Logger, messageOf, WarmpathError } from "@warmpath/runtime/base";
import {
  createMemoryHot,
  createMemoryQueue,
  createNatsQueue,
  createRedisHot,
  type DispatchQueue,
  type HotStore,
  openStore,
  type Store,
  startPglite,
} from "@warmpath/state";
import type { Settings } from "./load-settings.ts";
import type { ProcessContext } from "./run-until-stopped.ts";

/** Pause between looks for the database at a start, in ms. */
const storeRetryMs = 250;

/** What the record, the hot copies, the dispatch and the fan-out stand on. */
export interface Storage {
  readonly store: Store;
  readonly hot: HotStore;
  readonly queue: DispatchQueue;
  readonly bus: Bus;
  /** What is embedded in this process, in words for the screen. */
  readonly embedded: readonly string[];
}

interface StorageDeps extends ProcessContext {
  readonly clock: Clock;
  readonly onProgress?: (text: string) => void;
  /** Of the service that the bus reports to. */
  readonly metrics: Metrics;
}

/** Opens the servers that were named, and the embedded stand-in for each that was not. */
export async function openStorage(
  settings: Settings,
  deps: StorageDeps,
  { migrate, waitMs }: { migrate: boolean; waitMs: number },
): Promise<Storage> {
  const { log, clock, defer } = deps;
  const { postgres, redis, nats } = settings.system;
  const namespace = namespaceOf(settings);
  const embedded: string[] = [];
  const databaseUrl = postgres ?? (await embeddedDatabase(settings, deps, embedded));
  const { readUrl, poolSize, connectMsMax, statementMsMax } = settings.state;
  const open = () =>
    openStore({
      databaseUrl,
      readUrl,
      poolSize,
      connectMsMax,
      statementMsMax,
      migrate,
      log,
    });
  const store = await openAtLast(open, { where: postgres, clock, log, waitMs });
  defer({ name: "store", close: () => store.close() });
  if (redis === undefined) {
    embedded.push("hot store");
  }
  const hot =
    redis === undefined
      ? createMemoryHot(clock)
      : createRedisHot({
          url: redis,
          log,
          ...(namespace && { keyPrefix: `warmpath:${namespace}:` }),
        });
  defer({ name: "hot store", close: () => hot.close() });
  if (nats === undefined) {
    embedded.push("queue and bus");
  }
  const queue =
    nats === undefined
      ? createMemoryQueue(clock, settings.state.queueMessagesMax)
      : createNatsQueue({
          url: nats,
          log,
          clock,
          messagesMax: settings.state.queueMessagesMax,
          replicas: settings.state.queueReplicas,
          ...(namespace && { name: `WARMPATH_${namespace}` }),
        });
  defer({ name: "queue", close: () => queue.close() });
  const bus = openBus(settings, log, deps.metrics);
  defer({ name: "bus", close: () => bus.close() });
  return { store, hot, queue, bus, embedded };
}

/** The bus alone, for services that need no storage; what it drops is counted in `service`. */
export function openBus(settings: Settings, log: Logger, service: Metrics): Bus {
  const { nats } = settings.system;
  const namespace = namespaceOf(settings);
  const options = { log, metrics: createBusMetrics(service) };
  const bus =
    nats === undefined ? createMemoryBus(options) : createNatsBus({ url: nats, ...options });
  return namespace === undefined ? bus : namespacedBus(bus, namespace);
}

/** Where proxies share their limits; undefined without Redis: then each holds to them alone. */
export function openLimitStore(settings: Settings, clock: Clock): LimitStore | undefined {
  const { redis } = settings.system;
  const namespace = namespaceOf(settings);
  return redis === undefined
    ? undefined
    : createRedisLimitStore({
        url: redis,
        clock,
        ...(namespace && { keyPrefix: `warmpath:${namespace}:` }),
      });
}

/** Where proxies share stored answers; undefined without Redis: then each has its own. */
export function openAnswerVault(
  settings: Settings,
  clock: Clock,
  log: Logger,
): AnswerVault | undefined {
  const { redis } = settings.system;
  const { answerCacheSharedBytesMax: bytesMax } = settings.inferenceProxy;
  const namespace = namespaceOf(settings);
  return redis === undefined || bytesMax === 0
    ? undefined
    : createRedisVault({
        url: redis,
        clock,
        log,
        bytesMax,
        ...(namespace && { keyPrefix: `warmpath:${namespace}:` }),
      });
}

/** The installation's name, in letters that subjects, streams and keys can all carry. */
function namespaceOf({ system: { namespace } }: Settings): string | undefined {
  if (namespace !== undefined && !/^[a-z0-9-]+$/.test(namespace)) {
    throw new WarmpathError(
      "rejected-config",
      `WARMPATH_NAMESPACE (or --namespace) is ${JSON.stringify(namespace)}, but must be lower-case letters, digits and dashes`,
    );
  }
  return namespace;
}

/**
 * Opens the store, and while it is away or its schema is still to be brought up to date, tries
 * again.
 */
async function openAtLast(
  open: () => Promise<Store>,
  {
    where,
    clock,
    log,
    waitMs,
  }: { where: string | undefined; clock: Clock; log: Logger; waitMs: number },
): Promise<Store> {
  const deadlineMs = clock.monotonicMs() + waitMs;
  for (let tries = 0; ; tries += 1) {
    try {
      return await open();
    } catch (thrown) {
      const error = WarmpathError.from(thrown);
      const mayPass = error.code === "unavailable" || error.reason === "rejected-precondition";
      if (!mayPass || clock.monotonicMs() >= deadlineMs) {
        throw withAddress(error, where);
      }
      if (tries === 0) {
        log.info("waiting for the database", { why: error.message, waitMs });
      }
      await clock.sleep(storeRetryMs);
    }
  }
}

async function embeddedDatabase(
  settings: Settings,
  { log, clock, defer, fail, onProgress }: StorageDeps,
  embedded: string[],
): Promise<string> {
  const { dataDir } = settings.system;
  const pglite = await startPglite({
    dataDir,
    log,
    clock,
    ...(onProgress === undefined ? {} : { onProgress }),
  });
  let isClosing = false;
  defer({
    name: "embedded database",
    close: (graceMs) => {
      isClosing = true;
      return pglite.close(graceMs);
    },
  });
  void pglite.ended.then((sentence) => {
    if (!isClosing) {
      fail(sentence);
    }
  });
  embedded.push("PostgreSQL (PGlite)");
  return pglite.url;
}

/** The same error, told with the server that was tried; its password stays out of it. */
function withAddress(error: WarmpathError, url: string | undefined): WarmpathError {
  const address = url === undefined ? undefined : URL.parse(url)?.host;
  if (address === undefined || error.reason !== "rejected-unavailable") {
    return error;
  }
  const why = error.cause === undefined ? "" : ` (${messageOf(error.cause)})`;
  return new WarmpathError(error.reason, `${error.message}: ${address}${why}`, { cause: error });
}
