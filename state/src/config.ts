import { type Config, option, type Relation } from "@warmpath/runtime/base";
import { type LogConfig, logConfigDefault } from "./log/log-config.ts";

/**
 * Every setting of state and of the log that workers link. Flags, variables and docs/CONFIG.md come
 * from this table.
 */
export const stateOptions = {
  readUrl: option.url<string | undefined>({
    env: "WARMPATH_POSTGRES_READ",
    default: undefined,
    protocols: ["postgres", "postgresql"],
    doc: "A PostgreSQL replica for lists and searches; unset: the one database for everything.",
  }),
  poolSize: option.int({
    env: "WARMPATH_STATE_POOL_SIZE",
    default: 8,
    min: 1,
    max: 200,
    unit: "connections",
    doc: "Database connections of one process; the embedded database always gets one.",
    why: "statements take a millisecond: eight are thousands of them a second",
  }),
  connectMsMax: option.int({
    env: "WARMPATH_STATE_CONNECT_MS_MAX",
    default: 5_000,
    min: 100,
    unit: "ms",
    doc: "Longest wait for a database connection before a call is refused as unavailable.",
    why: "callers' own deadlines are 10 s and more; waiting longer only piles calls up",
  }),
  statementMsMax: option.int({
    env: "WARMPATH_STATE_STATEMENT_MS_MAX",
    default: 10_000,
    min: 100,
    unit: "ms",
    doc: "Longest run of one database statement.",
    why: "the slowest statement here takes well under a second; more means that something is stuck",
  }),
  leaseMs: option.int({
    env: "WARMPATH_LEASE_MS",
    default: logConfigDefault.leaseMs,
    min: 500,
    unit: "ms",
    doc: "How long a worker's lease on a task holds without renewal.",
    why: "a dead worker's tasks go on within 15 s; a third of it survives any garbage collection",
  }),
  groupAppendsMax: option.int({
    env: "WARMPATH_LOG_GROUP_APPENDS_MAX",
    default: logConfigDefault.groupAppendsMax,
    min: 1,
    max: 1000,
    doc: "Appends that share one transaction.",
    why: "beyond 64 a group saves no more time and one slow row holds up more neighbours",
  }),
  groupBytesMax: option.int({
    env: "WARMPATH_LOG_GROUP_BYTES_MAX",
    default: logConfigDefault.groupBytesMax,
    min: 1,
    unit: "bytes",
    doc: "Payload bytes that share one transaction; a larger append goes alone.",
    why: "4 MiB are written in the time that 64 small appends take",
  }),
  groupsInFlightMax: option.int({
    env: "WARMPATH_LOG_GROUPS_IN_FLIGHT_MAX",
    default: 4,
    min: 1,
    max: 64,
    doc: "Append transactions at once in one process; the embedded database always gets one.",
    why: "half of the pool: claims and reads must not wait behind appends",
  }),
  appendQueueMax: option.int({
    env: "WARMPATH_LOG_APPEND_QUEUE_MAX",
    default: logConfigDefault.appendQueueMax,
    min: 1,
    doc: "Appends that wait in one process; more are refused with a time to retry.",
    why: "far above the runs of one worker: it only bounds memory while the database is away",
  }),
  appendBytesMax: option.int({
    env: "WARMPATH_LOG_APPEND_BYTES_MAX",
    default: logConfigDefault.appendBytesMax,
    min: 1024,
    unit: "bytes",
    doc: "Payload bytes of one append.",
    why: "32 MiB: a step of 256 tool results of 128 KiB; PostgreSQL takes it in one statement",
  }),
  liveBytesMax: option.int({
    env: "WARMPATH_LIVE_BYTES_MAX",
    default: logConfigDefault.liveBytesMax,
    min: 1024,
    unit: "bytes",
    doc: "Bytes of an answer in progress that late watchers are shown.",
    why: "256 KiB: longer than the longest answer that models give in one step",
  }),
  liveTtlMs: option.int({
    env: "WARMPATH_LIVE_TTL_MS",
    default: logConfigDefault.liveTtlMs,
    min: 1000,
    unit: "ms",
    doc: "How long an answer in progress is kept after its last piece.",
    why: "longer than any pause of a living stream; a dead one is superseded by the next attempt",
  }),
  livePiecesMax: option.int({
    env: "WARMPATH_LIVE_PIECES_MAX",
    default: logConfigDefault.livePiecesMax,
    min: 1,
    doc: "Pieces of answers on their way to the hot store; more are not kept.",
    why: "a second of 64 streams; the bus carries every piece to watchers who are there anyway",
  }),
  pollMs: option.int({
    env: "WARMPATH_QUEUE_POLL_MS",
    default: logConfigDefault.pollMs,
    min: 10,
    unit: "ms",
    doc: "Pause between a worker's looks into the database while the queue is away.",
    why: "adds half a second to a dispatch during an outage, at two cheap queries a second",
  }),
  redispatchMs: option.int({
    env: "WARMPATH_REDISPATCH_MS",
    default: logConfigDefault.redispatchMs,
    min: 100,
    unit: "ms",
    doc: "How long a dispatched task may lie unclaimed before it is dispatched again; doubles each time.",
    why: "a lost message is rare, and a backlog's messages are not lost: half a minute disturbs neither",
  }),
  sweepMs: option.int({
    env: "WARMPATH_SWEEP_MS",
    default: 1_000,
    min: 10,
    unit: "ms",
    doc: "Pause between looks for expired leases and undelivered dispatches.",
    why: "adds at most a second to a takeover; one indexed query each",
  }),
  sweepTasksMax: option.int({
    env: "WARMPATH_SWEEP_TASKS_MAX",
    default: logConfigDefault.sweepTasksMax,
    min: 1,
    doc: "Tasks that one sweep dispatches.",
    why: "keeps a sweep's transaction short; the next one follows within a second",
  }),
  hotEntriesMax: option.int({
    env: "WARMPATH_HOT_ENTRIES_MAX",
    default: 10_000,
    min: 1,
    doc: "Hot copies kept in memory where there is no Redis; the oldest goes first.",
    why: "each is an answer in progress, far more than one process runs at once",
  }),
  queueMessagesMax: option.int({
    env: "WARMPATH_QUEUE_MESSAGES_MAX",
    default: 100_000,
    min: 1,
    doc: "Dispatches kept by the queue; more stay in the database until there is room.",
    why: "about 300 bytes each; the record holds every task anyway",
  }),
  queueReplicas: option.int({
    env: "WARMPATH_QUEUE_REPLICAS",
    default: 1,
    min: 1,
    max: 5,
    unit: "servers",
    doc: "NATS servers that hold each dispatch; an existing stream is changed at the next start.",
    why: "a single server takes no more than one; a cluster of three takes 3 and loses one without a pause",
  }),
};

/** Values of {@link stateOptions}. */
export type StateConfig = Config<typeof stateOptions>;

/** What must hold between settings. */
export const stateRelations: readonly Relation<typeof stateOptions>[] = [
  {
    fields: ["groupsInFlightMax", "poolSize"],
    holds: (config) => config.groupsInFlightMax <= config.poolSize,
    otherwise: "WARMPATH_LOG_GROUPS_IN_FLIGHT_MAX must not exceed WARMPATH_STATE_POOL_SIZE",
  },
];

/** How long an idempotency key is remembered, in ms: the contract says 24 hours. */
const idempotencyMs = 24 * 3_600_000;

/** The log's limits from the settings. */
export function logConfigFrom(config: StateConfig, isEmbedded: boolean): LogConfig {
  return {
    ...config,
    groupsInFlightMax: isEmbedded ? 1 : config.groupsInFlightMax,
    idempotencyMs,
  };
}
