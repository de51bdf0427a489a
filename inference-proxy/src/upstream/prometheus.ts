/** What placement and people want to know of an engine's own metrics. */
export interface EngineMetrics {
  /** Over all engines behind the address (data parallel ranks). */
  readonly running: number;
  readonly waiting: number;
  /** Share of the KV cache in use, 0 to 1; the fullest engine's. */
  readonly kvCacheUsage: number | undefined;
  /** Tokens that the KV caches hold together; undefined when not reported. */
  readonly kvCacheTokens: number | undefined;
  /** Tokens of a block of the KV cache; undefined when not reported. */
  readonly blockTokens: number | undefined;
  /** LoRA adapters that are in use, and how many it keeps ready; absent without any. */
  readonly adapters?: { readonly inUse: readonly string[]; readonly slots: number };
}

/**
 * Reads vLLM's metrics page; undefined when it is not vLLM's. Samples of one name are of one engine
 * each; an engine that has had no request yet may have none. `rank`: of that engine alone.
 */
export function parseEngineMetrics(page: string, rank?: number): EngineMetrics | undefined {
  if (!page.includes("vllm:num_requests_running")) {
    return undefined;
  }
  const samplesOf = (text: string, name: string): readonly Sample[] => {
    const samples = allSamplesOf(text, name);
    return rank === undefined
      ? samples
      : samples.filter(({ labels }) => (engineLabel.exec(labels)?.[1] ?? "0") === String(rank));
  };
  const running = samplesOf(page, "vllm:num_requests_running");
  const waiting = samplesOf(page, "vllm:num_requests_waiting");
  const usage = samplesOf(page, "vllm:kv_cache_usage_perc").map(({ value }) => value);
  const caches = samplesOf(page, "vllm:cache_config_info");
  const tokens = caches
    .map(({ labels }) => Number(/kv_cache_size_tokens="(\d+)"/.exec(labels)?.[1]))
    .filter((count) => Number.isFinite(count));
  // Other labels end in the same words.
  const blockTokens = Number(/[{,]block_size="(\d+)"/.exec(caches[0]?.labels ?? "")?.[1]);
  return {
    running: sum(running.map(({ value }) => value)),
    waiting: sum(waiting.map(({ value }) => value)),
    kvCacheUsage: usage.length === 0 ? undefined : Math.max(...usage),
    kvCacheTokens: tokens.length === 0 ? undefined : sum(tokens),
    blockTokens: blockTokens > 0 ? blockTokens : undefined,
    ...adaptersOf(allSamplesOf(page, "vllm:lora_requests_info")),
  };
}

/**
 * Each change of the adapters in use is a sample of its own, whose value is when it came about: the
 * greatest is what holds. (`vllm:lora_requests_info`, as the Gateway API's inference extension
 * reads it.)
 */
function adaptersOf(samples: readonly Sample[]): Pick<EngineMetrics, "adapters"> {
  let latest: Sample | undefined;
  for (const sample of samples) {
    if (latest === undefined || sample.value > latest.value) {
      latest = sample;
    }
  }
  if (latest === undefined) {
    return {};
  }
  const { labels } = latest;
  const running = /running_lora_adapters="([^"]*)"/.exec(labels)?.[1] ?? "";
  const waiting = /waiting_lora_adapters="([^"]*)"/.exec(labels)?.[1] ?? "";
  const names = `${waiting},${running}`.split(",").map((name) => name.trim());
  const slots = Number(/max_lora="(\d+)"/.exec(labels)?.[1]);
  return {
    adapters: {
      inUse: [...new Set(names.filter((name) => name !== ""))],
      slots: slots > 0 ? slots : 1,
    },
  };
}

const engineLabel = /[{,]engine="(\d+)"/;

interface Sample {
  readonly labels: string;
  readonly value: number;
}

/** Every line `name{labels} value` or `name value`; comments and longer names do not match. */
function allSamplesOf(page: string, name: string): readonly Sample[] {
  const samples: Sample[] = [];
  for (let at = page.indexOf(name); at >= 0; at = page.indexOf(name, at + name.length)) {
    const isLineStart = at === 0 || page[at - 1] === "\n";
    const next = page[at + name.length];
    if (!isLineStart || (next !== "{" && next !== " ")) {
      continue;
    }
    const lineEnd = page.indexOf("\n", at);
    const line = page.slice(at + name.length, lineEnd < 0 ? undefined : lineEnd).trim();
    const space = line.lastIndexOf(" ");
    const value = Number(line.slice(space + 1));
    if (Number.isFinite(value)) {
      samples.push({ labels: line.slice(0, Math.max(0, space)), value });
    }
  }
  return samples;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
