/** The parts of k6's end-of-test data that are read. */
export interface K6Summary {
  readonly state: { readonly testRunDurationMs: number };
  readonly metrics: Readonly<
    Record<
      string,
      {
        readonly values: Readonly<Record<string, number>>;
        readonly thresholds?: Readonly<Record<string, { readonly ok: boolean }>>;
      }
    >
  >;
}

/** Percentiles that `vllm bench serve` would be asked for. */
const percentiles = [90, 95, 99];

/**
 * The run in the field names of `vllm bench serve --save-result`, so that its readers read this
 * too. A "request" is one turn: with an agent, all its model calls and tools.
 */
export function serveSummary(
  summary: K6Summary,
  about: { readonly scenario: string; readonly requestRate: number },
): Record<string, number | string> {
  const total = (metric: string) => summary.metrics[metric]?.values["count"] ?? 0;
  const seconds = summary.state.testRunDurationMs / 1000;
  const completed = total("ended_turns");
  const failed = summary.metrics["turn_failures"]?.values["passes"] ?? 0;
  return {
    date: new Date().toISOString(),
    backend: "warmpath",
    label: about.scenario,
    num_prompts: completed + failed,
    request_rate: about.requestRate,
    duration: seconds,
    completed,
    failed,
    total_input_tokens: total("input_tokens"),
    total_output_tokens: total("output_tokens"),
    request_throughput: completed / seconds,
    request_goodput: total("good_turns") / seconds,
    output_throughput: total("output_tokens") / seconds,
    total_token_throughput: (total("input_tokens") + total("output_tokens")) / seconds,
    ...spreadOf(summary, "ttft"),
    ...spreadOf(summary, "tpot"),
    ...spreadOf(summary, "itl"),
    ...spreadOf(summary, "e2el"),
  };
}

/** mean_, median_, std_ and p.._ of one trend, in ms; absent where nothing was measured. */
function spreadOf(summary: K6Summary, name: string): Record<string, number> {
  const values = summary.metrics[`${name}_ms`]?.values;
  const count = values?.["count"] ?? 0;
  if (values === undefined || count === 0) return {};
  const mean = values["avg"] ?? 0;
  const squares = summary.metrics[`${name}_ms_squares`]?.values["count"] ?? 0;
  return {
    [`mean_${name}_ms`]: mean,
    [`median_${name}_ms`]: values["med"] ?? 0,
    // The population's, as numpy's default in `vllm bench serve`.
    [`std_${name}_ms`]: Math.sqrt(Math.max(0, squares / count - mean * mean)),
    ...Object.fromEntries(
      percentiles.map((each) => [`p${each}_${name}_ms`, values[`p(${each})`] ?? 0]),
    ),
  };
}

/** One threshold and how it ended. */
export interface ThresholdResult {
  readonly metric: string;
  /** k6's expression, e.g. `p(95)<=500`. */
  readonly expression: string;
  readonly value: number;
  readonly ok: boolean;
}

/** Every threshold of the run with the value it was held against. */
export function thresholdResults(summary: K6Summary): readonly ThresholdResult[] {
  return Object.entries(summary.metrics).flatMap(([metric, { values, thresholds }]) =>
    Object.entries(thresholds ?? {}).map(([expression, { ok }]) => ({
      metric,
      expression,
      value: values[/^[^<>=!]+/.exec(expression)?.[0].trim() ?? ""] ?? Number.NaN,
      ok,
    })),
  );
}
