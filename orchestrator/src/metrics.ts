import { latencyBucketsSeconds, type Metrics } from "@warmpath/runtime";

/** Everything the orchestrator counts. */
export type OrchestratorMetrics = ReturnType<typeof createOrchestratorMetrics>;

/** Defines the orchestrator's metrics. */
export function createOrchestratorMetrics(metrics: Metrics) {
  const defined = defineMetrics(metrics);
  // From the start, so that the first of each is an increase: alerts would not see it otherwise.
  for (const outcome of ["completed", "failed"]) {
    defined.runsEnded.inc({ outcome }, 0);
  }
  for (const how of ["retried", "reconciled", "unknown"]) {
    defined.recoveries.inc({ how }, 0);
  }
  return defined;
}

function defineMetrics(metrics: Metrics) {
  return {
    runsActive: metrics.gauge({
      name: "warmpath_orchestrator_runs_active",
      help: "Runs that this worker executes now.",
    }),
    runsEnded: metrics.counter({
      name: "warmpath_orchestrator_runs_ended_total",
      help: "Runs that left this worker, by how: completed, failed, cancelled, waiting, released, abandoned.",
      labels: ["outcome"],
    }),
    runSeconds: metrics.histogram({
      name: "warmpath_orchestrator_run_seconds",
      help: "Time from a run's claim until it left this worker, by how.",
      labels: ["outcome"],
    }),
    lanePulls: metrics.counter({
      name: "warmpath_orchestrator_lane_pulls_total",
      help: "Dispatches taken off the queue, by lane.",
      labels: ["lane"],
    }),
    claims: metrics.counter({
      name: "warmpath_orchestrator_claims_total",
      help: "Tries to claim a dispatched task: claimed, refused or failed.",
      labels: ["result"],
    }),
    leasesLost: metrics.counter({
      name: "warmpath_orchestrator_leases_lost_total",
      help: "Leases that another worker took or that this one gave up by its own clock.",
    }),
    steps: metrics.counter({
      name: "warmpath_orchestrator_steps_total",
      help: "Model answers recorded.",
    }),
    modelCalls: metrics.counter({
      name: "warmpath_orchestrator_model_calls_total",
      help: "Tries of model calls, by result: answered, retried, failed, aborted.",
      labels: ["result"],
    }),
    modelCallSeconds: metrics.histogram({
      name: "warmpath_orchestrator_model_call_seconds",
      help: "Time of answered model calls.",
    }),
    firstTokenSeconds: metrics.histogram({
      name: "warmpath_orchestrator_first_token_seconds",
      help: "Time from calling the model to its first text or tool call, as the worker sees it.",
      buckets: latencyBucketsSeconds,
    }),
    toolCalls: metrics.counter({
      name: "warmpath_orchestrator_tool_calls_total",
      help: "Tool calls ended, by kind of tool (builtin, remote, delegate, refused) and outcome.",
      labels: ["kind", "outcome"],
    }),
    toolCallSeconds: metrics.histogram({
      name: "warmpath_orchestrator_tool_call_seconds",
      help: "Time of executed tool calls, by kind of tool.",
      labels: ["kind"],
    }),
    recoveries: metrics.counter({
      name: "warmpath_orchestrator_tool_recoveries_total",
      help: "Calls found executing after a crash: retried, reconciled, or recorded as unknown.",
      labels: ["how"],
    }),
    agentsRegistered: metrics.gauge({
      name: "warmpath_orchestrator_agents_registered",
      help: "Agents that this worker offers now.",
    }),
    knowledgePassages: metrics.gauge({
      name: "warmpath_orchestrator_knowledge_passages",
      help: "Passages loaded from the knowledge directory.",
    }),
  };
}
