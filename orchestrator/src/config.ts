import { type Config, option } from "@warmpath/runtime/base";

/** Settings of the orchestrator. */
export const orchestratorOptions = {
  agentsDirs: option.list({
    env: "WARMPATH_AGENTS",
    flag: "agents",
    default: [],
    maxItems: 16,
    doc: "Directories of agent files, beside the sample agents.",
    why: "the samples alone are enough to begin with",
  }),
  sampleAgents: option.bool({
    env: "WARMPATH_SAMPLE_AGENTS",
    default: true,
    doc: "Whether the sample agents (assistant, supervisor and its two colleagues) are offered.",
  }),
  knowledgeDir: option.text({
    env: "WARMPATH_KNOWLEDGE",
    flag: "knowledge",
    default: undefined,
    doc: "Directory of Markdown files that knowledge_search searches.",
  }),
  knowledgeScanMs: option.int({
    env: "WARMPATH_KNOWLEDGE_SCAN_MS",
    default: 60_000,
    min: 1_000,
    max: 86_400_000,
    unit: "ms",
    doc: "Pause between looks for changed knowledge files.",
    why: "an edit shows within a minute, and a scan of a thousand files costs milliseconds",
  }),
  runsMax: option.int({
    env: "WARMPATH_WORKER_RUNS_MAX",
    default: 256,
    min: 1,
    max: 10_000,
    doc: "Runs that one worker executes at once.",
    why: "a run mostly waits for the model; 256 fill several replicas and stay small in memory",
  }),
  weightInteractive: option.int({
    env: "WARMPATH_LANE_WEIGHT_INTERACTIVE",
    default: 12,
    min: 1,
    max: 1_000,
    doc: "Share of turns in which the interactive lane is asked first.",
    why: "12 : 3 : 1 lets batch begin at least every sixteenth run under any backlog",
  }),
  weightStandard: option.int({
    env: "WARMPATH_LANE_WEIGHT_STANDARD",
    default: 3,
    min: 1,
    max: 1_000,
    doc: "Share of turns in which the standard lane is asked first.",
  }),
  weightBatch: option.int({
    env: "WARMPATH_LANE_WEIGHT_BATCH",
    default: 1,
    min: 1,
    max: 1_000,
    doc: "Share of turns in which the batch lane is asked first.",
  }),
  renewMs: option.int({
    env: "WARMPATH_LEASE_RENEW_MS",
    default: 4_000,
    min: 50,
    max: 60_000,
    unit: "ms",
    doc: "Pause between renewals of all leases of a worker.",
    why: "three tries fit into a lease of 15 s before the worker fences itself",
  }),
  modelTriesMax: option.int({
    env: "WARMPATH_MODEL_TRIES_MAX",
    default: 4,
    min: 1,
    max: 100,
    doc: "Tries of one step's model call that an engine began and did not finish, the first included.",
    why: "each costs a prompt's tokens again; more than a few cuts in a row are no accident",
  }),
  modelRefusedMsMax: option.int({
    env: "WARMPATH_MODEL_REFUSED_MS_MAX",
    default: 300_000,
    min: 0,
    max: 86_400_000,
    unit: "ms",
    doc: "How long a step's model call is offered again while no engine takes it: none is healthy, or queues are full.",
    why: "five minutes cover an engine that loads its weights; the task waits and costs nothing",
  }),
  modelBackoffMs: option.int({
    env: "WARMPATH_MODEL_BACKOFF_MS",
    default: 250,
    min: 1,
    max: 60_000,
    unit: "ms",
    doc: "Pause before the second try of a model call; doubles with each further one.",
  }),
  modelBackoffMsMax: option.int({
    env: "WARMPATH_MODEL_BACKOFF_MS_MAX",
    default: 5_000,
    min: 1,
    max: 600_000,
    unit: "ms",
    doc: "Longest pause between tries of a model call.",
  }),
  toolTriesMax: option.int({
    env: "WARMPATH_TOOL_TRIES_MAX",
    default: 3,
    min: 1,
    max: 20,
    doc: "Tries of one idempotent remote tool call, the first included.",
    why: "a call that is not idempotent is tried once, whatever this says",
  }),
  toolConcurrencyMax: option.int({
    env: "WARMPATH_TOOL_CONCURRENCY_MAX",
    default: 32,
    min: 1,
    max: 10_000,
    doc: "Calls to one tool or tool service at once; further ones wait within their timeout.",
    why: "one slow service must not hold every run of the worker",
  }),
  toolResultBytesMax: option.int({
    env: "WARMPATH_TOOL_RESULT_BYTES_MAX",
    default: 65_536,
    min: 1_024,
    max: 4_194_304,
    unit: "bytes",
    doc: "Longest tool result that the model is shown; the rest is cut and said to be.",
    why: "64 KiB is some 16,000 tokens, half of a small model's context",
  }),
  delegationDepthMax: option.int({
    env: "WARMPATH_DELEGATION_DEPTH_MAX",
    default: 4,
    min: 0,
    max: 32,
    doc: "Levels of delegation below a submitted task.",
  }),
  claimsWithoutProgressMax: option.int({
    env: "WARMPATH_CLAIMS_WITHOUT_PROGRESS_MAX",
    default: 20,
    min: 1,
    max: 10_000,
    doc: "Claims of a task in a row that record nothing before it is failed.",
    why: "a task that kills its worker must not kill every worker, one after another, for ever",
  }),
  historyMessagesMax: option.int({
    env: "WARMPATH_HISTORY_MESSAGES_MAX",
    default: 5_000,
    min: 2,
    max: 9_000,
    doc: "Messages of a conversation and its task that one prompt may hold.",
    why: "one model call carries at most 10,000",
  }),
  httpFetchAllowedHosts: option.list({
    env: "WARMPATH_HTTP_FETCH_ALLOWED_HOSTS",
    default: [],
    maxItems: 256,
    doc: "Hosts that the http_fetch tool may fetch from; *.example.com stands for all below it.",
    why: "empty refuses every fetch: what a model may reach is the operator's decision",
  }),
  httpFetchBytesMax: option.int({
    env: "WARMPATH_HTTP_FETCH_BYTES_MAX",
    default: 262_144,
    min: 1_024,
    max: 16_777_216,
    unit: "bytes",
    doc: "Bytes of a fetched page that are read.",
  }),
  crashAt: option.text({
    env: "WARMPATH_CRASH_AT",
    default: undefined,
    doc: "Kills the process at a place of a run, such as after-tools-finished or tool-called:2. For crash tests only.",
  }),
} as const;

/** The orchestrator's settings after loading. */
export type OrchestratorConfig = Config<typeof orchestratorOptions>;

/**
 * Pieces of an answer go out at once, then at most this often, in ms: faster than a screen shows,
 * slow enough to bundle.
 */
export const deltaIntervalMs = 15;

/** Pause before a worker without knowledge of a task's agent hands the task back, in ms. */
export const unknownAgentPauseMs = 1_000;

/** Redirects that http_fetch follows. */
export const httpFetchRedirectsMax = 4;

/** Longest wait for the list of a tool service, in ms. */
export const toolListTimeoutMs = 5_000;

/** Deadline of calls to `state` and of embeddings, in ms. */
export const callTimeoutMs = 10_000;
