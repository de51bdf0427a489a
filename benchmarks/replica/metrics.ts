import type { Clock } from "@warmpath/runtime/base";
import { blockTokens, type ReplicaConfig } from "./config.ts";
import type { Job } from "./engine.ts";
import { type Family, families } from "./metric-catalog.ts";

/** When the parts of one finished job happened, in monotonic milliseconds. */
export interface JobTimes {
  readonly arrivedMs: number;
  readonly startedMs: number;
  readonly firstMs: number;
  readonly endedMs: number;
  readonly uncached: number;
}

interface Histogram {
  readonly counts: number[];
  sum: number;
  count: number;
}

/** The replica's numbers in vLLM's names, written in Prometheus text form. */
export class ReplicaMetrics {
  readonly #model: string;
  readonly #config: Pick<ReplicaConfig, "kvBlocks" | "maxModelLen">;
  readonly #createdSeconds: number;
  readonly #values = new Map<string, number>();
  readonly #histograms = new Map<string, Histogram>();

  constructor(
    model: string,
    config: Pick<ReplicaConfig, "kvBlocks" | "maxModelLen">,
    clock: Clock,
  ) {
    this.#model = model;
    this.#config = config;
    this.#createdSeconds = clock.nowMs() / 1000;
    for (const family of families) {
      if (family.type === "histogram") {
        const counts = new Array<number>(family.buckets?.length ?? 0).fill(0);
        this.#histograms.set(family.name, { counts, sum: 0, count: 0 });
      }
    }
    this.#set("vllm:engine_sleep_state", 1, { sleep_state: "awake" });
  }

  /** A request was refused for lack of room. */
  onRejected(): void {
    this.#add("vllm:admission_rejections_total", 1, { reason: "max_num_queued_reqs" });
  }

  /** A job left the queue and looked up its prefix. */
  onScheduled(job: Job, cachedTokens: number): void {
    this.#add("vllm:prefix_cache_queries_total", job.prompt.length);
    this.#add("vllm:prefix_cache_hits_total", cachedTokens);
    this.#add("vllm:prompt_tokens_cached_total", cachedTokens);
    this.#add("vllm:prompt_tokens_cached_by_source_total", cachedTokens, { source: "device" });
    this.#add("vllm:prompt_tokens_total", job.prompt.length);
    const computed = job.prompt.length - cachedTokens;
    this.#add("vllm:prompt_tokens_by_source_total", computed, { source: "local_compute" });
    this.#add("vllm:prompt_tokens_by_source_total", cachedTokens, { source: "local_cache_hit" });
  }

  /** Tokens came into being; `prefillTokens` were computed in the same step. */
  onTokens(count: number, prefillTokens: number): void {
    this.#add("vllm:generation_tokens_total", count);
    this.#observe("vllm:iteration_tokens_total", count + prefillTokens);
  }

  /** A chat answer was searched for tool calls. */
  onToolParser(mode: "streaming" | "non_streaming", found: boolean): void {
    const outcome = found ? "tool_call" : "no_tool_call";
    const labels = { mode, outcome, request_type: "chat_completions" };
    this.#add("vllm:tool_call_parser_invocations_total", 1, labels);
  }

  /** A job ended by itself; aborted ones leave no trace here, as in vLLM. */
  onFinished(job: Job, times: JobTimes): void {
    const outputCount = job.output.length;
    this.#add("vllm:request_success_total", 1, { finished_reason: job.finishReason });
    this.#observe("vllm:request_prompt_tokens", job.prompt.length);
    this.#observe("vllm:request_generation_tokens", outputCount);
    this.#observe("vllm:request_max_num_generation_tokens", outputCount);
    this.#observe("vllm:request_params_n", job.n);
    this.#observe("vllm:request_params_max_tokens", job.maxTokens);
    this.#observe("vllm:request_num_preemptions", 0);
    this.#observe("vllm:request_prefill_kv_computed_tokens", times.uncached);
    const decodeSeconds = (times.endedMs - times.firstMs) / 1000;
    const gapSeconds = outputCount > 1 ? decodeSeconds / (outputCount - 1) : 0;
    for (let index = 1; index < outputCount; index++) {
      this.#observe("vllm:inter_token_latency_seconds", gapSeconds);
    }
    this.#observe("vllm:request_time_per_output_token_seconds", gapSeconds);
    this.#observe("vllm:time_to_first_token_seconds", (times.firstMs - times.arrivedMs) / 1000);
    this.#observe("vllm:e2e_request_latency_seconds", (times.endedMs - times.arrivedMs) / 1000);
    this.#observe("vllm:request_queue_time_seconds", (times.startedMs - times.arrivedMs) / 1000);
    this.#observe("vllm:request_inference_time_seconds", (times.endedMs - times.startedMs) / 1000);
    this.#observe("vllm:request_prefill_time_seconds", (times.firstMs - times.startedMs) / 1000);
    this.#observe("vllm:request_decode_time_seconds", decodeSeconds);
  }

  /** The exposition text. */
  text(gauges: { running: number; waiting: number; kvUsage: number }): string {
    this.#set("vllm:num_requests_running", gauges.running);
    this.#set("vllm:num_requests_waiting", gauges.waiting);
    this.#set("vllm:num_requests_waiting_by_reason", gauges.waiting, { reason: "capacity" });
    this.#set("vllm:kv_cache_usage_perc", gauges.kvUsage);
    const lines: string[] = [];
    for (const family of families) {
      // The engine registers its configuration before the API server registers its parsers.
      if (family.name.startsWith("vllm:tool_call_parser")) this.#writeCacheConfig(lines);
      this.#writeFamily(family, lines);
    }
    return `${lines.join("\n")}\n`;
  }

  #add(name: string, amount: number, labels?: Readonly<Record<string, string>>): void {
    const key = seriesKey(name, labels);
    this.#values.set(key, (this.#values.get(key) ?? 0) + amount);
  }

  #set(name: string, value: number, labels?: Readonly<Record<string, string>>): void {
    this.#values.set(seriesKey(name, labels), value);
  }

  #observe(name: string, value: number): void {
    const histogram = this.#histograms.get(name);
    const buckets = bucketsByName.get(name);
    if (histogram === undefined || buckets === undefined) return;
    histogram.sum += value;
    histogram.count += 1;
    const index = buckets.findIndex((bound) => value <= bound);
    if (index !== -1) histogram.counts[index] = (histogram.counts[index] ?? 0) + 1;
  }

  #writeFamily(family: Family, lines: string[]): void {
    lines.push(`# HELP ${family.name} ${family.help}`, `# TYPE ${family.name} ${family.type}`);
    if (family.type === "histogram") this.#writeHistogram(family, lines);
    const sets = family.labelSets ?? [{}];
    if (family.type !== "histogram") {
      for (const set of sets) {
        const value = this.#values.get(seriesKey(family.name, set)) ?? 0;
        lines.push(`${family.name}{${this.#labels(family, set)}} ${formatFloat(value)}`);
      }
    }
    if (family.type === "gauge") return;
    const stem = family.type === "counter" ? family.name.replace(/_total$/, "") : family.name;
    const createdName = `${stem}_created`;
    lines.push(`# HELP ${createdName} ${family.help}`, `# TYPE ${createdName} gauge`);
    for (const set of sets) {
      lines.push(`${createdName}{${this.#labels(family, set)}} ${this.#createdSeconds}`);
    }
  }

  #writeHistogram(family: Family, lines: string[]): void {
    const histogram = this.#histograms.get(family.name);
    if (histogram === undefined) return;
    const base = `engine="0"`;
    const model = `model_name="${this.#model}"`;
    let cumulative = 0;
    for (const [index, bound] of (family.buckets ?? []).entries()) {
      cumulative += histogram.counts[index] ?? 0;
      const labels = `${base},le="${formatFloat(bound)}",${model}`;
      lines.push(`${family.name}_bucket{${labels}} ${formatFloat(cumulative)}`);
    }
    lines.push(
      `${family.name}_bucket{${base},le="+Inf",${model}} ${formatFloat(histogram.count)}`,
      `${family.name}_count{${base},${model}} ${formatFloat(histogram.count)}`,
      `${family.name}_sum{${base},${model}} ${formatFloat(histogram.sum)}`,
    );
  }

  #writeCacheConfig(lines: string[]): void {
    const { kvBlocks, maxModelLen } = this.#config;
    const concurrency = (kvBlocks * blockTokens) / maxModelLen;
    lines.push(
      "# HELP vllm:cache_config_info Information of the LLMEngine CacheConfig",
      "# TYPE vllm:cache_config_info gauge",
      `vllm:cache_config_info{block_size="${blockTokens}",cache_dtype="auto",enable_prefix_caching="True",engine="0",` +
        `kv_cache_max_concurrency="${concurrency}",kv_cache_size_tokens="${kvBlocks * blockTokens}",` +
        `num_gpu_blocks="${kvBlocks}",num_gpu_blocks_override="${kvBlocks}",prefix_caching_hash_algo="simulated"} 1.0`,
    );
  }

  #labels(family: Family, set: Readonly<Record<string, string>>): string {
    const all = new Map(Object.entries(set));
    if (family.withoutEngine !== true) all.set("engine", "0");
    all.set("model_name", this.#model);
    return [...all]
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([key, value]) => `${key}="${value}"`)
      .join(",");
  }
}

const bucketsByName = new Map(families.map((family) => [family.name, family.buckets]));

function seriesKey(name: string, labels: Readonly<Record<string, string>> = {}): string {
  return `${name}|${Object.values(labels).join("|")}`;
}

/** Python writes whole floats with a decimal point; readers of the text should meet the same. */
function formatFloat(value: number): string {
  return Number.isInteger(value) ? `${value}.0` : String(value);
}
