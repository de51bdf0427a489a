import { formatNumber, formatTable } from "../../report/table.ts";
import { describeWorkload } from "../facts/describe.ts";
import { Spreads } from "../facts/spreads.ts";
import { CacheCurveCounter } from "../trace/cache-curve.ts";
import { boundBars } from "../trace/published-bounds.ts";
import { readTrace, type TraceRequest } from "../trace/read-trace.ts";
import { TraceFormatError } from "../trace/trace-format-error.ts";
import { traceWorkload } from "../trace/trace-workload.ts";
import { percent, type Shown, spreadTable } from "./show-workload.ts";

/** Which trace, and how it is looked at. */
export interface TraceView {
  readonly path: string;
  /** How the trace is called in what is shown. */
  readonly name: string;
  readonly blockTokens: number;
  /** Guess its sessions, too: then the whole trace is kept in memory. */
  readonly isContinued: boolean;
  onProgress(requests: number): void;
}

/** Cache sizes of the curve, in tokens: one 8B replica on an H100 holds about 450,000. */
const curveTokens = [0.25e6, 0.5e6, 1e6, 1.5e6, 3e6, 5.1e6, 10e6, 15e6, 26e6, 50e6];
/** Requests between two signs of life. */
const progressEvery = 250_000;

/**
 * Reads a trace to its end. Memory grows with its distinct blocks, not with its length. Rejects
 * with a `TraceFormatError` for a line that is not in the format, and for a file without any.
 */
export async function showTrace(view: TraceView): Promise<Shown> {
  const { path, name, blockTokens, isContinued, onProgress } = view;
  const counter = new CacheCurveCounter(curveTokens, blockTokens);
  const spreads = new Spreads();
  const kept: TraceRequest[] = [];
  let requests = 0;
  let firstMs = Number.POSITIVE_INFINITY;
  let lastMs = 0;
  for await (const request of readTrace(path, { blockTokens })) {
    counter.add(request);
    spreads.add("input tokens", request.inputTokens);
    spreads.add("output tokens", request.outputTokens);
    firstMs = Math.min(firstMs, request.timestampMs);
    lastMs = Math.max(lastMs, request.timestampMs);
    if (isContinued) kept.push(request);
    requests += 1;
    if (requests % progressEvery === 0) onProgress(requests);
  }
  if (requests === 0) throw new TraceFormatError(`${path}: no request in it`);
  const curve = counter.curve();
  const sessions = isContinued ? sessionSpreads(name, kept, blockTokens) : undefined;
  const spanSeconds = Math.max(0, lastMs - firstMs) / 1000;
  const lengths = spreads.all();
  const line = { trace: name, blockTokens, spanSeconds, ...curve, spreads: lengths, sessions };
  const rows = [...curve.finite, { cacheTokens: Number.POSITIVE_INFINITY, ...curve.infinite }].map(
    ({ cacheTokens, blockHits, tokenHits }) => [
      Number.isFinite(cacheTokens) ? `${formatNumber(cacheTokens / 1e6, 2)} M tokens` : "infinite",
      percent(blockHits),
      percent(tokenHits),
    ],
  );
  const text = [
    `${name}: ${formatNumber(curve.requests)} requests in ${formatNumber(spanSeconds)} s, ` +
      `${formatNumber(curve.uniqueBlocks)} distinct of ${formatNumber(curve.blocks)} blocks, ` +
      `${formatNumber(curve.promptTokens)} prompt tokens`,
    "",
    spreadTable("", lengths),
    "",
    formatTable(["one cache, LRU, of", "blocks hit", "tokens hit"], rows),
    ...(sessions === undefined
      ? []
      : ["", spreadTable("sessions guessed from prefixes", sessions)]),
  ].join("\n");
  return { text, lines: [line], bars: boundBars(curve) };
}

function sessionSpreads(name: string, requests: readonly TraceRequest[], blockTokens: number) {
  const workload = traceWorkload(name, requests, { sessions: "continued", blockTokens });
  const { spreads } = describeWorkload(workload, { seed: 1, sessions: requests.length });
  const wanted = ["turns per session", "human pause, ms"];
  return Object.fromEntries(Object.entries(spreads).filter(([key]) => wanted.includes(key)));
}
