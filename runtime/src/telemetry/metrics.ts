import { type Counter, collectDefaultMetrics, Gauge, type Histogram, Registry } from "prom-client";
import { assert } from "../base/index.ts";
import { makeCounter } from "./make-counter.ts";
import { makeHistogram } from "./make-histogram.ts";

export type { Counter, Gauge, Histogram };

/** What a metric is called, what it says, and by which labels it is split. */
export interface MetricSpec<L extends string> {
  /** `warmpath_<area>_<what>_<unit>`; counters end in `_total`. */
  readonly name: `warmpath_${string}`;
  readonly help: string;
  /**
   * Label names. Values must come from small closed sets: never an id, a key or text of a caller.
   */
  readonly labels?: readonly L[];
}

/** A definition as the reference of metrics lists it. */
export interface MetricDescription {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly labels: readonly string[];
  readonly help: string;
}

/**
 * The metrics of one service: one registry, answered at its /metrics. Defining the same metric
 * twice gives the same one, so that a library shared by two parts of a service counts in one place.
 */
export interface Metrics {
  counter<L extends string = never>(spec: MetricSpec<L>): Counter<L>;
  gauge<L extends string = never>(
    spec: MetricSpec<L> & { readonly collect?: () => number },
  ): Gauge<L>;
  histogram<L extends string = never>(
    spec: MetricSpec<L> & { readonly buckets?: readonly number[] },
  ): Histogram<L>;
  /** Every definition, for docs/METRICS.md. */
  describe(): readonly MetricDescription[];
  /** The exposition text. */
  text(): Promise<string>;
  readonly contentType: string;
}

/**
 * Bounds in seconds from 1 ms to 2 minutes: a cached look-up and a long generation both fall
 * inside.
 */
export const latencyBucketsSeconds: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120,
];

/** Metrics of a service, with the process's own (memory, event loop) when asked. */
export function createMetrics(
  service: string,
  options: { processMetrics?: boolean } = {},
): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ service });
  if (options.processMetrics === true) {
    collectDefaultMetrics({ register: registry, prefix: "warmpath_process_" });
  }
  const described: MetricDescription[] = [];
  const define = <M>(
    type: MetricDescription["type"],
    spec: MetricSpec<string>,
    make: () => M,
  ): M => {
    const known = described.find((each) => each.name === spec.name);
    if (known !== undefined) {
      assert(known.type === type, `metric ${spec.name} is defined as ${known.type} and ${type}`);
      // The registry keeps what `make` gave it under this name, and the type was just compared.
      return registry.getSingleMetric(spec.name) as M;
    }
    const pattern = /^warmpath_[a-z0-9_]+$/;
    assert(pattern.test(spec.name), `metric name ${spec.name} must match ${pattern}`);
    described.push({ name: spec.name, type, labels: spec.labels ?? [], help: spec.help });
    return make();
  };
  return {
    counter: (spec) => define("counter", spec, () => makeCounter(promOptions(registry, spec))),
    gauge: (spec) => define("gauge", spec, () => makeGauge(registry, spec)),
    histogram: (spec) =>
      define("histogram", spec, () => {
        const buckets = [...(spec.buckets ?? latencyBucketsSeconds)];
        return makeHistogram({ ...promOptions(registry, spec), buckets });
      }),
    describe: () => described,
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

function promOptions<L extends string>(registry: Registry, spec: MetricSpec<L>) {
  return {
    name: spec.name,
    help: spec.help,
    labelNames: [...(spec.labels ?? [])],
    registers: [registry],
  };
}

function makeGauge<L extends string>(
  registry: Registry,
  spec: MetricSpec<L> & { readonly collect?: () => number },
): Gauge<L> {
  const { collect } = spec;
  if (collect === undefined) {
    return new Gauge(promOptions(registry, spec));
  }
  return new Gauge({
    ...promOptions(registry, spec),
    collect() {
      this.set(collect());
    },
  });
}

/** Definitions as a Markdown table for docs/METRICS.md. */
export function renderMetricsMarkdown(described: readonly MetricDescription[]): string {
  const rows = described.map(({ name, type, labels, help }) => {
    const labelText = labels.map((label) => `\`${label}\``).join(", ");
    return `| \`${name}\` | ${type} | ${labelText} | ${help.replaceAll("|", "\\|")} |`;
  });
  return ["| metric | type | labels | meaning |", "|---|---|---|---|", ...rows].join("\n");
}
