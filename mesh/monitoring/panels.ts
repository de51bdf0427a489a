// The dashboards, as tables of panels: make-dashboards.ts turns them into what Grafana takes.

/** How a value is written: Grafana's names of units. */
type Unit = "short" | "s" | "percentunit" | "ops" | "reqps" | "bytes";

/** One panel: a title that is the question, and the queries that answer it. */
export interface PanelRow {
  readonly title: string;
  /** What a reader should make of it. */
  readonly about: string;
  readonly unit: Unit;
  /** Query and legend; the legend names labels of its result. */
  readonly queries: readonly (readonly [expr: string, legend: string])[];
  /** A number in large instead of lines. */
  readonly isNumber?: boolean;
}

/** One dashboard. */
export interface DashboardTable {
  /** Name of the file, and the uid. */
  readonly name: string;
  readonly title: string;
  readonly about: string;
  readonly panels: readonly PanelRow[];
}

const at = 'namespace=~"$namespace"';
const engines = 'model_name=~"$model"';

const onCall: DashboardTable = {
  name: "on-call",
  title: "Warmpath on call",
  about: "What users notice, first; what holds it up, below.",
  panels: [
    {
      title: "Tasks that fail",
      about: "Of runs that came to an end, over an hour. The objective is 1%.",
      unit: "percentunit",
      isNumber: true,
      queries: [[`max(warmpath:task_errors:ratio_rate1h{${at}})`, "failed"]],
    },
    {
      title: "First tokens that are late",
      about: "Of the agents' model calls, over an hour: later than 2.5 s. The objective is 5%.",
      unit: "percentunit",
      isNumber: true,
      queries: [[`max(warmpath:first_token_slow:ratio_rate1h{${at}})`, "late"]],
    },
    {
      title: "Tasks that wait for a worker",
      about: "Dispatches that nobody has claimed.",
      unit: "short",
      isNumber: true,
      queries: [[`sum(warmpath:dispatches_waiting:sum{${at}})`, "waiting"]],
    },
    {
      title: "Healthy replicas by model",
      about: "None for a model: its calls are refused.",
      unit: "short",
      isNumber: true,
      queries: [[`max by (model) (warmpath_inference_proxy_model_replicas{${at}})`, "{{model}}"]],
    },
    {
      title: "Runs that ended, by outcome",
      about: "failed is what the objective counts; released is a worker that drained.",
      unit: "ops",
      queries: [
        [
          `sum by (outcome) (rate(warmpath_orchestrator_runs_ended_total{${at}}[$__rate_interval]))`,
          "{{outcome}}",
        ],
      ],
    },
    {
      title: "Runs at work",
      about: "Against what workers may run at once: 256 each by default.",
      unit: "short",
      queries: [[`sum(warmpath_orchestrator_runs_active{${at}})`, "running"]],
    },
    {
      title: "Dispatches that wait, by lane",
      about: "interactive should be near none; batch waits by design.",
      unit: "short",
      queries: [[`max by (lane) (warmpath_state_queue_depth{${at}})`, "{{lane}}"]],
    },
    {
      title: "Time to the first token",
      about: "As workers see it, waiting for a place included.",
      unit: "s",
      queries: [
        [
          `histogram_quantile(0.5, sum by (le) (rate(warmpath_orchestrator_first_token_seconds_bucket{${at}}[$__rate_interval])))`,
          "half within",
        ],
        [
          `histogram_quantile(0.95, sum by (le) (rate(warmpath_orchestrator_first_token_seconds_bucket{${at}}[$__rate_interval])))`,
          "95% within",
        ],
      ],
    },
    {
      title: "Model calls, by outcome",
      about: "Everything but done and cancelled is worth a look.",
      unit: "reqps",
      queries: [
        [
          `sum by (outcome) (rate(warmpath_inference_proxy_calls_total{${at}}[$__rate_interval]))`,
          "{{outcome}}",
        ],
      ],
    },
    {
      title: "Refused at the door",
      about: "By the limit that refused; a flood of key is somebody with a revoked key.",
      unit: "reqps",
      queries: [
        [
          `sum by (limit) (rate(warmpath_gateway_refusals_total{${at}}[$__rate_interval]))`,
          "{{limit}}",
        ],
      ],
    },
    {
      title: "Calls that fail, by method",
      about: "Of the services' own RPCs.",
      unit: "reqps",
      queries: [
        [
          `sum by (method, code) (rate(warmpath_rpc_server_duration_seconds_count{${at}, code!="ok"}[$__rate_interval]))`,
          "{{method}} {{code}}",
        ],
      ],
    },
    {
      title: "Event loops held up",
      about: "Above a second, probes and leases suffer.",
      unit: "s",
      queries: [
        [
          `max by (service) (warmpath_process_nodejs_eventloop_lag_p99_seconds{${at}})`,
          "{{service}}",
        ],
      ],
    },
  ],
};

const inference: DashboardTable = {
  name: "inference",
  title: "Warmpath inference",
  about: "Replicas one by one: load, cache, breakers, and what paces them.",
  panels: [
    {
      title: "Requests at each replica",
      about: "As the proxies have placed them.",
      unit: "short",
      queries: [
        [`sum by (replica) (warmpath_inference_proxy_replica_in_flight{${at}})`, "{{replica}}"],
      ],
    },
    {
      title: "Requests that wait for a place",
      about: "At the proxies; engines should hold next to none.",
      unit: "short",
      queries: [
        [`sum(warmpath_inference_proxy_queue_requests{${at}})`, "proxies"],
        [`sum by (model_name) (vllm:num_requests_waiting{${engines}})`, "engines, {{model_name}}"],
      ],
    },
    {
      title: "Wait for a place, 95% within",
      about: "By lane.",
      unit: "s",
      queries: [
        [
          `histogram_quantile(0.95, sum by (lane, le) (rate(warmpath_inference_proxy_placement_seconds_bucket{${at}}[$__rate_interval])))`,
          "{{lane}}",
        ],
      ],
    },
    {
      title: "First event, 95% within",
      about: "From sending the request to a replica: prefill and the engine's own queue.",
      unit: "s",
      queries: [
        [
          `histogram_quantile(0.95, sum by (replica, le) (rate(warmpath_inference_proxy_time_to_first_event_seconds_bucket{${at}}[$__rate_interval])))`,
          "{{replica}}",
        ],
      ],
    },
    {
      title: "Between tokens, 95% within",
      about: "Decoding under load.",
      unit: "s",
      queries: [
        [
          `histogram_quantile(0.95, sum by (model, le) (rate(warmpath_inference_proxy_inter_token_seconds_bucket{${at}}[$__rate_interval])))`,
          "{{model}}",
        ],
      ],
    },
    {
      title: "KV cache in use",
      about: "Full is good; full with a queue is too small.",
      unit: "percentunit",
      queries: [[`avg by (pod, model_name) (vllm:kv_cache_usage_perc{${engines}})`, "{{pod}}"]],
    },
    {
      title: "Prompt tokens found in the prefix cache",
      about: "What placement is for.",
      unit: "percentunit",
      queries: [
        [
          `sum by (model_name) (rate(vllm:prefix_cache_hits_total{${engines}}[$__rate_interval])) / sum by (model_name) (rate(vllm:prefix_cache_queries_total{${engines}}[$__rate_interval]))`,
          "{{model_name}}",
        ],
      ],
    },
    {
      title: "Tokens computed",
      about: "Prompt tokens and generated ones.",
      unit: "ops",
      queries: [
        [
          `sum by (model, kind) (rate(warmpath_inference_proxy_tokens_total{${at}}[$__rate_interval]))`,
          "{{model}} {{kind}}",
        ],
      ],
    },
    {
      title: "Breakers",
      about: "0 closed, 1 a few may try, 2 open.",
      unit: "short",
      queries: [
        [
          `max by (replica, model) (warmpath_inference_proxy_breaker_state{${at}})`,
          "{{replica}} {{model}}",
        ],
      ],
    },
    {
      title: "Tries, by outcome",
      about: "More tries than calls is load that nobody asked for.",
      unit: "reqps",
      queries: [
        [
          `sum by (outcome) (rate(warmpath_inference_proxy_attempts_total{${at}}[$__rate_interval]))`,
          "{{outcome}}",
        ],
      ],
    },
    {
      title: "Refused by limits",
      about: "What the limit counts, and whose it is.",
      unit: "reqps",
      queries: [
        [
          `sum by (kind, scope) (rate(warmpath_inference_proxy_limit_refusals_total{${at}}[$__rate_interval]))`,
          "{{scope}} {{kind}}",
        ],
      ],
    },
    {
      title: "Room that sessions may fill",
      about: "Share of each replica's cache that is paced for sessions.",
      unit: "percentunit",
      queries: [
        [`max by (replica) (warmpath_inference_proxy_sessions_share{${at}})`, "{{replica}}"],
      ],
    },
  ],
};

const durable: DashboardTable = {
  name: "durable",
  title: "Warmpath durable runs",
  about: "The queue, the workers, their leases, and the log that all of it is in.",
  panels: [
    {
      title: "Dispatches that wait, by lane",
      about: "What workers are scaled by.",
      unit: "short",
      queries: [[`max by (lane) (warmpath_state_queue_depth{${at}})`, "{{lane}}"]],
    },
    {
      title: "Claims, by result",
      about: "Refused: another worker was first.",
      unit: "ops",
      queries: [
        [
          `sum by (result) (rate(warmpath_orchestrator_claims_total{${at}}[$__rate_interval]))`,
          "{{result}}",
        ],
      ],
    },
    {
      title: "Runs on each worker",
      about: "Even, unless one just came.",
      unit: "short",
      queries: [[`sum by (pod) (warmpath_orchestrator_runs_active{${at}})`, "{{pod}}"]],
    },
    {
      title: "Time of a run, 95% within",
      about: "From the claim to its end here, by how it ended.",
      unit: "s",
      queries: [
        [
          `histogram_quantile(0.95, sum by (outcome, le) (rate(warmpath_orchestrator_run_seconds_bucket{${at}}[$__rate_interval])))`,
          "{{outcome}}",
        ],
      ],
    },
    {
      title: "Leases lost, tasks dispatched again",
      about: "Both are none on a good day.",
      unit: "short",
      queries: [
        [`sum(increase(warmpath_orchestrator_leases_lost_total{${at}}[15m]))`, "leases lost"],
        [`sum(increase(warmpath_state_redispatched_total{${at}}[15m]))`, "dispatched again"],
      ],
    },
    {
      title: "Tool calls recovered after a crash",
      about: "unknown: somebody has to look.",
      unit: "short",
      queries: [
        [
          `sum by (how) (increase(warmpath_orchestrator_tool_recoveries_total{${at}}[1h]))`,
          "{{how}}",
        ],
      ],
    },
    {
      title: "Model calls of workers, by result",
      about: "retried is time lost, failed is a task that may fail.",
      unit: "ops",
      queries: [
        [
          `sum by (result) (rate(warmpath_orchestrator_model_calls_total{${at}}[$__rate_interval]))`,
          "{{result}}",
        ],
      ],
    },
    {
      title: "Tool calls, by outcome",
      about: "By kind of tool.",
      unit: "ops",
      queries: [
        [
          `sum by (kind, outcome) (rate(warmpath_orchestrator_tool_calls_total{${at}}[$__rate_interval]))`,
          "{{kind}} {{outcome}}",
        ],
      ],
    },
    {
      title: "Append to the log, 99% within",
      about: "Every step waits for one.",
      unit: "s",
      queries: [
        [
          `histogram_quantile(0.99, sum by (outcome, le) (rate(warmpath_log_append_seconds_bucket{${at}}[$__rate_interval])))`,
          "{{outcome}}",
        ],
      ],
    },
    {
      title: "Events recorded",
      about: "The rate of everything that is kept.",
      unit: "ops",
      queries: [[`sum(rate(warmpath_log_events_total{${at}}[$__rate_interval]))`, "events"]],
    },
    {
      title: "Sweeps that fail",
      about: "While they do, the queue's depth above is old.",
      unit: "short",
      queries: [[`sum(increase(warmpath_state_sweep_failures_total{${at}}[10m]))`, "failed"]],
    },
    {
      title: "Live messages dropped",
      about: "Watchers saw text late.",
      unit: "ops",
      queries: [
        [
          `sum by (service, cause) (rate(warmpath_bus_dropped_total{${at}}[$__rate_interval]))`,
          "{{service}} {{cause}}",
        ],
      ],
    },
  ],
};

/** Every dashboard. */
export const dashboardTables: readonly DashboardTable[] = [onCall, inference, durable];
