/**
 * Families of vLLM 0.32, in the order of its `/metrics`: names, types, help and labels as recorded.
 */

/** Stands for 1, 2, 5, 10, 20, … up to the longest context. */
const tokenCountBuckets = "up to the longest context";
const stepTokenBuckets = [1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384];
const choiceBuckets = [1, 2, 5, 10, 20];
const firstTokenBuckets = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80,
  160, 640, 2560,
];
const tokenGapBuckets = [
  0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80,
];
const phaseBuckets = [
  0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680,
];
const preemptionBuckets = [1, 2, 3, 4, 5, 10, 20];

/** One metric family. */
export interface Family {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  /** Upper bounds of a histogram's buckets, without +Inf. */
  readonly buckets?: readonly number[] | typeof tokenCountBuckets;
  /** Label sets beyond `engine` and `model_name` that exist from the start. */
  readonly labelSets?: readonly Readonly<Record<string, string>>[];
  /** True for families that lack the `engine` label. */
  readonly withoutEngine?: true;
}

/** Every `vllm:` family but `cache_config_info`, whose labels are the configuration. */
export const families: readonly Family[] = [
  {
    name: "vllm:estimated_flops_per_gpu_total",
    type: "counter",
    help: "Estimated number of floating point operations per GPU (for Model Flops Utilization calculations).",
  },
  {
    name: "vllm:estimated_read_bytes_per_gpu_total",
    type: "counter",
    help: "Estimated number of bytes read from memory per GPU (for Model Flops Utilization calculations).",
  },
  {
    name: "vllm:estimated_write_bytes_per_gpu_total",
    type: "counter",
    help: "Estimated number of bytes written to memory per GPU (for Model Flops Utilization calculations).",
  },
  {
    name: "vllm:num_requests_running",
    type: "gauge",
    help: "Number of requests in model execution batches.",
  },
  {
    name: "vllm:num_requests_waiting",
    type: "gauge",
    help: "Number of requests waiting to be processed.",
  },
  {
    name: "vllm:num_requests_waiting_by_reason",
    type: "gauge",
    help: "Number of waiting requests by reason. Reason labels: 'capacity' = waiting for scheduling capacity; 'deferred' = deferred by transient constraints (LoRA budget, KV transfer, blocked status). Sum of all reasons equals vllm:num_requests_waiting.",
    labelSets: [{ reason: "capacity" }, { reason: "deferred" }],
  },
  {
    name: "vllm:engine_sleep_state",
    type: "gauge",
    help: "Engine sleep state; awake = 0 means engine is sleeping; awake = 1 means engine is awake; weights_offloaded = 1 means sleep level 1; discard_all = 1 means sleep level 2.",
    labelSets: [
      { sleep_state: "awake" },
      { sleep_state: "weights_offloaded" },
      { sleep_state: "discard_all" },
    ],
  },
  {
    name: "vllm:kv_cache_usage_perc",
    type: "gauge",
    help: "KV-cache usage. 1 means 100 percent usage.",
  },
  {
    name: "vllm:prefix_cache_queries_total",
    type: "counter",
    help: "Prefix cache queries, in terms of number of queried tokens.",
  },
  {
    name: "vllm:prefix_cache_hits_total",
    type: "counter",
    help: "Prefix cache hits, in terms of number of cached tokens.",
  },
  {
    name: "vllm:external_prefix_cache_queries_total",
    type: "counter",
    help: "External prefix cache queries from KV connector cross-instance cache sharing, in terms of number of queried tokens.",
  },
  {
    name: "vllm:external_prefix_cache_hits_total",
    type: "counter",
    help: "External prefix cache hits from KV connector cross-instance cache sharing, in terms of number of cached tokens.",
  },
  {
    name: "vllm:mm_cache_queries_total",
    type: "counter",
    help: "Multi-modal cache queries, in terms of number of queried items.",
  },
  {
    name: "vllm:mm_cache_hits_total",
    type: "counter",
    help: "Multi-modal cache hits, in terms of number of cached items.",
  },
  {
    name: "vllm:num_preemptions_total",
    type: "counter",
    help: "Cumulative number of preemption from the engine.",
  },
  {
    name: "vllm:prompt_tokens_total",
    type: "counter",
    help: "Number of prefill tokens processed.",
  },
  {
    name: "vllm:prompt_tokens_by_source_total",
    type: "counter",
    help: "Number of prompt tokens by source.",
    labelSets: [
      { source: "local_compute" },
      { source: "local_cache_hit" },
      { source: "external_kv_transfer" },
    ],
  },
  {
    name: "vllm:prompt_tokens_cached_total",
    type: "counter",
    help: "Number of cached prompt tokens (local + external).",
  },
  {
    name: "vllm:prompt_tokens_cached_by_source_total",
    type: "counter",
    help: "Prefix-cache hit tokens by the cache tier that supplied them: device (local HBM), host (offloaded to DRAM), disk, p2p (transferred from another vLLM instance) or external_unspecified. Counted at admission; sums to vllm:prefix_cache_hits + vllm:external_prefix_cache_hits.",
    labelSets: [
      { source: "device" },
      { source: "host" },
      { source: "p2p" },
      { source: "disk" },
      { source: "external_unspecified" },
    ],
  },
  {
    name: "vllm:generation_tokens_total",
    type: "counter",
    help: "Number of generation tokens processed.",
  },
  {
    name: "vllm:request_success_total",
    type: "counter",
    help: "Count of successfully processed requests.",
    labelSets: [
      { finished_reason: "stop" },
      { finished_reason: "length" },
      { finished_reason: "abort" },
      { finished_reason: "error" },
      { finished_reason: "repetition" },
    ],
  },
  {
    name: "vllm:admission_rejections_total",
    type: "counter",
    help: "Number of admission attempts rejected by a queue limit, by reason.",
    labelSets: [{ reason: "max_num_queued_reqs" }, { reason: "max_num_queued_tokens" }],
    withoutEngine: true,
  },
  {
    name: "vllm:request_prompt_tokens",
    type: "histogram",
    help: "Number of prefill tokens processed.",
    buckets: tokenCountBuckets,
  },
  {
    name: "vllm:request_generation_tokens",
    type: "histogram",
    help: "Number of generation tokens processed.",
    buckets: tokenCountBuckets,
  },
  {
    name: "vllm:iteration_tokens_total",
    type: "histogram",
    help: "Histogram of number of tokens per engine_step.",
    buckets: stepTokenBuckets,
  },
  {
    name: "vllm:request_max_num_generation_tokens",
    type: "histogram",
    help: "Histogram of maximum number of requested generation tokens.",
    buckets: tokenCountBuckets,
  },
  {
    name: "vllm:request_params_n",
    type: "histogram",
    help: "Histogram of the n request parameter.",
    buckets: choiceBuckets,
  },
  {
    name: "vllm:request_params_max_tokens",
    type: "histogram",
    help: "Histogram of the max_tokens request parameter.",
    buckets: tokenCountBuckets,
  },
  {
    name: "vllm:time_to_first_token_seconds",
    type: "histogram",
    help: "Histogram of time to first token in seconds.",
    buckets: firstTokenBuckets,
  },
  {
    name: "vllm:inter_token_latency_seconds",
    type: "histogram",
    help: "Histogram of inter-token latency in seconds.",
    buckets: tokenGapBuckets,
  },
  {
    name: "vllm:request_time_per_output_token_seconds",
    type: "histogram",
    help: "Histogram of time_per_output_token_seconds per request.",
    buckets: tokenGapBuckets,
  },
  {
    name: "vllm:e2e_request_latency_seconds",
    type: "histogram",
    help: "Histogram of e2e request latency in seconds.",
    buckets: phaseBuckets,
  },
  {
    name: "vllm:request_queue_time_seconds",
    type: "histogram",
    help: "Histogram of time spent in WAITING phase for request.",
    buckets: phaseBuckets,
  },
  {
    name: "vllm:request_inference_time_seconds",
    type: "histogram",
    help: "Histogram of time spent in RUNNING phase for request.",
    buckets: phaseBuckets,
  },
  {
    name: "vllm:request_prefill_time_seconds",
    type: "histogram",
    help: "Histogram of time spent in PREFILL phase for request.",
    buckets: phaseBuckets,
  },
  {
    name: "vllm:request_decode_time_seconds",
    type: "histogram",
    help: "Histogram of time spent in DECODE phase for request.",
    buckets: phaseBuckets,
  },
  {
    name: "vllm:request_num_preemptions",
    type: "histogram",
    help: "Histogram of the number of times a request was preempted.",
    buckets: preemptionBuckets,
  },
  {
    name: "vllm:request_prefill_kv_computed_tokens",
    type: "histogram",
    help: "Histogram of new KV tokens computed during prefill (excluding cached tokens).",
    buckets: tokenCountBuckets,
  },
  {
    name: "vllm:tool_call_parser_invocations_total",
    type: "counter",
    help: "Total number of ToolParser invocations. Non-streaming increments once per choice; streaming increments once per delta.",
    labelSets: [
      { mode: "streaming", outcome: "tool_call", request_type: "chat_completions" },
      { mode: "streaming", outcome: "tool_call", request_type: "responses" },
      { mode: "streaming", outcome: "tool_call", request_type: "other" },
      { mode: "streaming", outcome: "no_tool_call", request_type: "chat_completions" },
      { mode: "streaming", outcome: "no_tool_call", request_type: "responses" },
      { mode: "streaming", outcome: "no_tool_call", request_type: "other" },
      { mode: "non_streaming", outcome: "tool_call", request_type: "chat_completions" },
      { mode: "non_streaming", outcome: "tool_call", request_type: "responses" },
      { mode: "non_streaming", outcome: "tool_call", request_type: "other" },
      { mode: "non_streaming", outcome: "no_tool_call", request_type: "chat_completions" },
      { mode: "non_streaming", outcome: "no_tool_call", request_type: "responses" },
      { mode: "non_streaming", outcome: "no_tool_call", request_type: "other" },
    ],
    withoutEngine: true,
  },
];

/** A histogram's upper bounds on a server whose longest context is `maxModelLen` tokens. */
export function bucketsOf({ buckets = [] }: Family, maxModelLen: number): readonly number[] {
  if (buckets !== tokenCountBuckets) return buckets;
  const bounds: number[] = [];
  for (let power = 1; power <= maxModelLen; power *= 10) {
    bounds.push(...[power, 2 * power, 5 * power].filter((bound) => bound <= maxModelLen));
  }
  return bounds;
}
