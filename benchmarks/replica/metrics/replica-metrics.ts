import type { Clock } from "@warmpath/runtime/base";
import type { Sequence, SequenceTimes } from "../serve/sequence.ts";
import { type CacheConfig, cacheConfigLine } from "./cache-config.ts";
import { formatFloat } from "./format-float.ts";
import { bucketsOf, type Family, families } from "./metric-catalog.ts";

/** How a replica's numbers are set up. */
export interface ReplicaMetricsOptions {
  readonly model: string;
  readonly cache: CacheConfig;
  readonly clock: Clock;
  /** Seconds of the clock in one engine millisecond; 0 where no time passes. */
  readonly secondsPerMs: number;
}

interface Histogram {
  readonly buckets: readonly number[];
  readonly counts: number[];
  sum: number;
  count: number;
}

/** The replica's numbers in vLLM's names, written in Prometheus text form. */
export class ReplicaMetrics {
  readonly #model: string;
  readonly #cache: CacheConfig;
  readonly #secondsPerMs: number;
  readonly #createdSeconds: number;
  readonly #values = new Map<string, number>();
  readonly #histograms = new Map<string, Histogram>();

  constructor({ model, cache, clock, secondsPerMs }: ReplicaMetricsOptions) {
    this.#model = model;
    this.#cache = cache;
    this.#secondsPerMs = secondsPerMs;
    this.#createdSeconds = clock.nowMs() / 1000;
    for (const family of families) {
      if (family.type === "histogram") {
        const buckets = bucketsOf(family, cache.maxModelLen);
        const counts = buckets.map(() => 0);
        this.#histograms.set(family.name, { buckets, counts, sum: 0, count: 0 });
      }
    }
    this.setSleepLevel(0);
  }

  /** A request was refused for lack of room. */
  onRejected(): void {
    this.#add("vllm:admission_rejections_total", 1, { reason: "max_num_queued_reqs" });
  }

  /** A sequence left the queue for the first time and looked up its prefix. */
  onScheduled({ prompt }: Sequence, cachedTokens: number): void {
    this.#add("vllm:prefix_cache_queries_total", prompt.length);
    this.#add("vllm:prefix_cache_hits_total", cachedTokens);
    this.#add("vllm:prompt_tokens_cached_total", cachedTokens);
    this.#add("vllm:prompt_tokens_cached_by_source_total", cachedTokens, { source: "device" });
    this.#add("vllm:prompt_tokens_total", prompt.length);
    const computed = prompt.length - cachedTokens;
    this.#add("vllm:prompt_tokens_by_source_total", computed, { source: "local_compute" });
    this.#add("vllm:prompt_tokens_by_source_total", cachedTokens, { source: "local_cache_hit" });
  }

  /** A sequence runs again that was preempted so many times; vLLM counts it only now. */
  onResumed(preemptions: number): void {
    if (preemptions > 0) this.#add("vllm:num_preemptions_total", preemptions);
  }

  /** Tokens of answers came into being. */
  onTokens(count: number): void {
    this.#addTo(generatedKey, count);
  }

  /** So many tokens came with this time before each. */
  onGap(gapMs: number, count: number): void {
    this.#observe("vllm:inter_token_latency_seconds", gapMs * this.#secondsPerMs, count);
  }

  /** So many steps computed this many tokens each. */
  onSteps(steps: number, tokensEach: number): void {
    this.#observe("vllm:iteration_tokens_total", tokensEach, steps);
  }

  /** A chat answer, or a piece of it, was searched for tool calls. */
  onToolParser(mode: "streaming" | "non_streaming", found: boolean): void {
    this.#addTo(parserKeys[mode][found ? "tool_call" : "no_tool_call"], 1);
  }

  /** The engine sleeps at a level, or is awake at 0. */
  setSleepLevel(level: number): void {
    this.#set("vllm:engine_sleep_state", level === 0 ? 1 : 0, { sleep_state: "awake" });
    this.#set("vllm:engine_sleep_state", level === 1 ? 1 : 0, { sleep_state: "weights_offloaded" });
    this.#set("vllm:engine_sleep_state", level === 2 ? 1 : 0, { sleep_state: "discard_all" });
  }

  /** A sequence ended by itself; aborted ones leave no trace here, as in vLLM. */
  onFinished(sequence: Sequence, times: SequenceTimes): void {
    const outputCount = sequence.output.length;
    const promptCount = sequence.prompt.length;
    const { arrivedMs, queuedMs, admittedMs, firstMs, lastMs, apiAfterMs } = times;
    this.#add("vllm:request_success_total", 1, { finished_reason: sequence.finishReason });
    this.#observe("vllm:request_prompt_tokens", promptCount);
    this.#observe("vllm:request_generation_tokens", outputCount);
    this.#observe("vllm:request_max_num_generation_tokens", outputCount);
    this.#observe("vllm:request_params_n", sequence.n);
    this.#observe("vllm:request_params_max_tokens", sequence.maxTokens);
    this.#observe("vllm:request_num_preemptions", times.preemptions);
    this.#observe("vllm:request_prefill_kv_computed_tokens", promptCount - times.cachedTokens);
    // As in vLLM, what a caller waits for is stamped at the API server, the rest in the engine.
    this.#observeMs("vllm:time_to_first_token_seconds", firstMs + apiAfterMs - arrivedMs);
    if (outputCount > 1) {
      const gapMs = (lastMs - firstMs) / (outputCount - 1);
      this.#observeMs("vllm:request_time_per_output_token_seconds", gapMs);
    }
    this.#observeMs("vllm:e2e_request_latency_seconds", lastMs + apiAfterMs - arrivedMs);
    this.#observeMs("vllm:request_queue_time_seconds", admittedMs - queuedMs);
    this.#observeMs("vllm:request_inference_time_seconds", lastMs - admittedMs);
    this.#observeMs("vllm:request_prefill_time_seconds", firstMs - admittedMs);
    this.#observeMs("vllm:request_decode_time_seconds", lastMs - firstMs);
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
    this.#addTo(seriesKey(name, labels), amount);
  }

  #addTo(key: string, amount: number): void {
    this.#values.set(key, (this.#values.get(key) ?? 0) + amount);
  }

  #set(name: string, value: number, labels?: Readonly<Record<string, string>>): void {
    this.#values.set(seriesKey(name, labels), value);
  }

  #observeMs(name: string, ms: number): void {
    this.#observe(name, ms * this.#secondsPerMs);
  }

  #observe(name: string, value: number, times = 1): void {
    const histogram = this.#histograms.get(name);
    if (histogram === undefined) return;
    histogram.sum += value * times;
    histogram.count += times;
    const index = histogram.buckets.findIndex((bound) => value <= bound);
    if (index !== -1) histogram.counts[index] = (histogram.counts[index] ?? 0) + times;
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
    for (const [index, bound] of histogram.buckets.entries()) {
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
    lines.push(
      "# HELP vllm:cache_config_info Information of the LLMEngine CacheConfig",
      "# TYPE vllm:cache_config_info gauge",
      cacheConfigLine(this.#cache),
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

function seriesKey(name: string, labels: Readonly<Record<string, string>> = {}): string {
  return `${name}|${Object.values(labels).join("|")}`;
}

// What is counted with every token has its key made once.
const generatedKey = seriesKey("vllm:generation_tokens_total");
const parserKeys = {
  streaming: parserKeysOf("streaming"),
  non_streaming: parserKeysOf("non_streaming"),
};

function parserKeysOf(mode: string) {
  const key = (outcome: string) =>
    seriesKey("vllm:tool_call_parser_invocations_total", {
      mode,
      outcome,
      request_type: "chat_completions",
    });
  return { tool_call: key("tool_call"), no_tool_call: key("no_tool_call") };
}
