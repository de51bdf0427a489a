import type { Clock } from "@warmpath/runtime/base";
import { formatFloat } from "./format-float.ts";

/** One request that has been answered. */
export interface EndedRequest {
  /** Path as it is routed, or "none" where nothing is there. */
  readonly handler: string;
  readonly method: string;
  readonly status: number;
  readonly seconds: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
}

const fineBuckets = [
  0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 7.5, 10, 30,
  60,
];
const coarseBuckets = [0.1, 0.5, 1];

interface Series {
  readonly labels: string;
  readonly createdSeconds: number;
  sum: number;
  count: number;
  readonly buckets: readonly number[];
  /** Not cumulative. */
  readonly counts: number[];
}

interface Family {
  readonly name: string;
  readonly type: "counter" | "summary" | "histogram";
  readonly help: string;
  readonly buckets: readonly number[];
  readonly series: Map<string, Series>;
}

/** `http_*`: the API server's own counts, as vLLM's instrumentation names them. */
export class HttpMetrics {
  readonly #clock: Clock;
  readonly #requests = family(
    "http_requests_total",
    "counter",
    "Total number of requests by method, status and handler.",
  );
  readonly #requestSizes = family(
    "http_request_size_bytes",
    "summary",
    sizeHelp("incoming requests"),
  );
  readonly #responseSizes = family(
    "http_response_size_bytes",
    "summary",
    sizeHelp("outgoing responses"),
  );
  readonly #durations = family(
    "http_request_duration_highr_seconds",
    "histogram",
    "Latency with many buckets but no API specific labels. Made for more accurate percentile calculations. ",
    fineBuckets,
  );
  readonly #durationsByHandler = family(
    "http_request_duration_seconds",
    "histogram",
    "Latency with only few buckets by handler. Made to be only used if aggregation by handler is important. ",
    coarseBuckets,
  );

  constructor(clock: Clock) {
    this.#clock = clock;
    // It has no labels, so it is there before the first request.
    this.#series(this.#durations, "");
  }

  /** Counts an answered request. */
  onEnd({ handler, method, status, seconds, requestBytes, responseBytes }: EndedRequest): void {
    const byHandler = `handler="${handler}"`;
    const group = `${Math.floor(status / 100)}xx`;
    this.#observe(this.#requests, `${byHandler},method="${method}",status="${group}"`, 1);
    this.#observe(this.#requestSizes, byHandler, requestBytes);
    this.#observe(this.#responseSizes, byHandler, responseBytes);
    this.#observe(this.#durations, "", seconds);
    this.#observe(this.#durationsByHandler, `${byHandler},method="${method}"`, seconds);
  }

  /** The exposition text. */
  text(): string {
    const families = [
      this.#requests,
      this.#requestSizes,
      this.#responseSizes,
      this.#durations,
      this.#durationsByHandler,
    ];
    return `${families.flatMap(linesOf).join("\n")}\n`;
  }

  #observe(target: Family, labels: string, value: number): void {
    const series = this.#series(target, labels);
    series.sum += value;
    series.count += 1;
    const index = series.buckets.findIndex((bound) => value <= bound);
    if (index !== -1) series.counts[index] = (series.counts[index] ?? 0) + 1;
  }

  #series(target: Family, labels: string): Series {
    const known = target.series.get(labels);
    if (known !== undefined) return known;
    const { buckets } = target;
    const createdSeconds = this.#clock.nowMs() / 1000;
    const counts = buckets.map(() => 0);
    const made = { labels, createdSeconds, sum: 0, count: 0, buckets, counts };
    target.series.set(labels, made);
    return made;
  }
}

function family(
  name: string,
  type: Family["type"],
  help: string,
  buckets: readonly number[] = [],
): Family {
  return { name, type, help, buckets, series: new Map() };
}

function sizeHelp(what: string): string {
  return `Content length of ${what} by handler. Only value of header is respected. Otherwise ignored. No percentile calculated. `;
}

function linesOf({ name, type, help, series }: Family): string[] {
  const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
  for (const each of series.values()) lines.push(...seriesLines(name, type, each));
  const createdName = `${name.replace(/_total$/, "")}_created`;
  if (series.size > 0) lines.push(`# HELP ${createdName} ${help}`, `# TYPE ${createdName} gauge`);
  for (const { labels, createdSeconds } of series.values()) {
    lines.push(`${createdName}${braced(labels)} ${createdSeconds}`);
  }
  return lines;
}

function seriesLines(name: string, type: Family["type"], series: Series): string[] {
  const { labels, sum, count } = series;
  if (type === "counter") return [`${name}${braced(labels)} ${formatFloat(sum)}`];
  const lines: string[] = [];
  if (type === "histogram") {
    let cumulative = 0;
    for (const [index, bound] of [...series.buckets, Number.POSITIVE_INFINITY].entries()) {
      cumulative = index < series.buckets.length ? cumulative + (series.counts[index] ?? 0) : count;
      const le = `le="${bound === Number.POSITIVE_INFINITY ? "+Inf" : formatFloat(bound)}"`;
      lines.push(`${name}_bucket${braced(withBound(labels, le))} ${formatFloat(cumulative)}`);
    }
  }
  lines.push(`${name}_count${braced(labels)} ${formatFloat(count)}`);
  lines.push(`${name}_sum${braced(labels)} ${formatFloat(sum)}`);
  return lines;
}

/** Labels stand in alphabetical order: the bound after the handler, before the method. */
function withBound(labels: string, le: string): string {
  return labels === "" ? le : labels.replace(",method", `,${le},method`);
}

function braced(labels: string): string {
  return labels === "" ? "" : `{${labels}}`;
}
