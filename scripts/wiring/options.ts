import { principalKeyCharsMin } from "@warmpath/runtime";
import { logLevels, option, type Relation } from "@warmpath/runtime/base";
import { defaultDataDir } from "./data-dir.ts";
import { defaultPort, portMax, portMin, replicasMax } from "./ports.ts";

/** What every topology is told: where to listen, what to stand on, how to speak of itself. */
export const systemOptions = {
  port: option.int({
    env: "WARMPATH_PORT",
    flag: "port",
    default: defaultPort,
    min: portMin,
    max: portMax,
    doc: "First port of the block: gateway +0 and +1, inference proxy +10 and +11, orchestrator +20 and +21, state +30 and +31, simulated replicas from +41.",
  }),
  host: option.text({
    env: "WARMPATH_HOST",
    flag: "host",
    default: "127.0.0.1",
    doc: "Address to listen on.",
    why: "Loopback: nothing is reachable from outside unless asked for.",
  }),
  dataDir: option.text({
    env: "WARMPATH_DATA_DIR",
    flag: "data-dir",
    default: defaultDataDir,
    doc: "Directory of the embedded database and of the keys made at the first start.",
  }),
  postgres: option.url<string | undefined>({
    env: "WARMPATH_POSTGRES",
    flag: "postgres",
    default: undefined,
    protocols: ["postgres", "postgresql"],
    doc: "PostgreSQL (with pgvector) to use instead of the embedded database.",
  }),
  redis: option.url<string | undefined>({
    env: "WARMPATH_REDIS",
    flag: "redis",
    default: undefined,
    protocols: ["redis", "rediss"],
    doc: "Redis to use instead of the embedded hot store; proxies share their limits there.",
  }),
  nats: option.url<string | undefined>({
    env: "WARMPATH_NATS",
    flag: "nats",
    default: undefined,
    protocols: ["nats", "tls"],
    doc: "NATS (with JetStream) to use instead of the embedded bus and queue.",
  }),
  namespace: option.text<string | undefined>({
    env: "WARMPATH_NAMESPACE",
    flag: "namespace",
    default: undefined,
    maxLength: 32,
    doc: "Name of this installation, where several share one NATS or Redis: leads its subjects, streams and keys. Lower-case letters, digits and dashes.",
    why: "unset is right for servers of one's own; two installations under one name take each other's dispatches",
  }),
  startWaitMs: option.int({
    env: "WARMPATH_START_WAIT_MS",
    default: 60_000,
    min: 0,
    max: 3_600_000,
    unit: "ms",
    doc: "How long `serve` waits for PostgreSQL, and for state to bring its schema up to date, before it gives up.",
    why: "services start in any order; a minute covers a migration and the start of a database",
  }),
  replicas: option.int({
    env: "WARMPATH_REPLICAS",
    flag: "replicas",
    default: 3,
    min: 1,
    max: replicasMax,
    doc: "Simulated replicas to start where no upstream is given.",
    why: "Enough to see placement choose.",
  }),
  devKey: option.secret<string | undefined>({
    env: "WARMPATH_DEV_KEY",
    default: undefined,
    doc: "The development API key. Unset: made at the first start and kept in the data directory.",
  }),
  principalKeys: option.list<readonly string[]>({
    env: "WARMPATH_PRINCIPAL_KEYS",
    default: [],
    maxItems: 8,
    doc: "Keys that sign principals between services: the first signs, all verify, so that they can be rotated; at least 16 characters each. `up` makes one; `serve` needs it set, the same for every service.",
  }),
  stateUrl: option.url<string | undefined>({
    env: "WARMPATH_STATE_URL",
    flag: "state-url",
    default: undefined,
    protocols: ["http"],
    doc: "gRPC address of state, for `serve`. Unset: the port block of this host.",
  }),
  inferenceUrl: option.url<string | undefined>({
    env: "WARMPATH_INFERENCE_URL",
    flag: "inference-url",
    default: undefined,
    protocols: ["http"],
    doc: "gRPC address of the inference proxy, for `serve`. Unset: the port block of this host.",
  }),
  otlpUrl: option.url<string | undefined>({
    env: "WARMPATH_OTLP_URL",
    flag: "otlp-url",
    default: undefined,
    protocols: ["http", "https"],
    doc: "OpenTelemetry collector (OTLP over gRPC) to send traces to. Unset: no traces.",
  }),
  logLevel: option.choice({
    env: "WARMPATH_LOG_LEVEL",
    flag: "log-level",
    choices: logLevels,
    default: "info",
    doc: "Least severe log line to write.",
  }),
  logFormat: option.choice({
    env: "WARMPATH_LOG_FORMAT",
    flag: "log-format",
    choices: ["auto", "json", "text"],
    default: "auto",
    doc: "How log lines are written; auto is text on a terminal and JSON elsewhere.",
  }),
  drainMs: option.int({
    env: "WARMPATH_DRAIN_MS",
    flag: "drain-ms",
    default: 10_000,
    min: 0,
    max: 3_600_000,
    unit: "ms",
    doc: "How long a stop waits for calls and streams to finish before it cuts them.",
    why: "On a laptop nobody wants to wait longer; a cluster sets it above its longest stream.",
  }),
};

/** What must hold between these settings, or within one of them. */
export const systemRelations: readonly Relation<typeof systemOptions>[] = [
  {
    fields: ["principalKeys"],
    holds: ({ principalKeys }) => principalKeys.every((key) => key.length >= principalKeyCharsMin),
    // The keys themselves are never printed.
    otherwise: `WARMPATH_PRINCIPAL_KEYS holds a key that is too short: each must have at least ${principalKeyCharsMin} characters.`,
  },
];
