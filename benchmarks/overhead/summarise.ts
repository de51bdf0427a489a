import type { Figure } from "../report/report.ts";
import type { Contender } from "./contenders.ts";
import type { Measured } from "./measure.ts";
import type { OverheadPlan } from "./plan.ts";
import {
  type BodySummary,
  type IdleSummary,
  type LeaveSummary,
  type StreamSummary,
  summariseBody,
  summariseIdle,
  summariseLeave,
  summariseStreams,
} from "./summary.ts";

/** All tables of one run as values, and the same as figures for machines. */
export interface OverheadSummary {
  readonly bodies: readonly BodySummary[];
  readonly streams: readonly StreamSummary[];
  readonly leaves: readonly LeaveSummary[];
  readonly idles: readonly IdleSummary[];
  readonly figures: readonly Figure[];
  /** What broke in which round, in words. */
  readonly faults: readonly string[];
}

/** Condenses the rounds of all contenders; those that never got through a round have no rows. */
export function summarise(
  contenders: readonly Contender[],
  measured: Measured,
  plan: OverheadPlan,
  bench: string,
): OverheadSummary {
  const { rounds, faults } = measured;
  const names = contenders
    .map(({ name }) => name)
    .filter((name) => rounds.some(({ contender }) => contender === name));
  const bodies = plan.bodies.flatMap(({ bytes }) =>
    names.map((name) => summariseBody(rounds, name, bytes)),
  );
  const streams = plan.streams.flatMap((each) =>
    names.map((name) => summariseStreams(rounds, name, each.streams)),
  );
  const leaves = (["midway", "before-first", "before-whole"] as const).flatMap((when) =>
    names.flatMap((name) => summariseLeave(rounds, name, when) ?? []),
  );
  const idles = names.map((name) => summariseIdle(rounds, name));
  const failureFigures = names.map((name) => ({
    name: `${bench}.${name}.failures`,
    value:
      [...bodies, ...streams, ...leaves]
        .filter(({ contender }) => contender === name)
        .reduce((sum, { failures }) => sum + failures, 0) +
      faults.filter(({ contender }) => contender === name).length,
    unit: "requests",
  }));
  return {
    bodies,
    streams,
    leaves,
    idles,
    figures: [
      ...bodies.flatMap((each) => figuresOfBody(bench, each)),
      ...streams.flatMap((each) => figuresOfStreams(bench, each)),
      ...idles.flatMap((each) => figuresOfIdle(bench, each)),
      ...leaves.map((each) => ({
        name: `${bench}.${each.contender}.leave.${each.when}.uncut`,
        value: each.streams - each.cut,
        unit: "streams",
      })),
      ...leaves.map((each) => ({
        name: `${bench}.${each.contender}.leave.${each.when}.tokens_after`,
        value: each.tokensAfterLeaving,
        unit: "tokens",
      })),
      ...failureFigures,
    ],
    faults: faults.map(
      ({ contender, round, reason }) => `${contender}: round ${round} not measured: ${reason}`,
    ),
  };
}

/** The sentence that goes under the tables. */
export function describePlan(plan: OverheadPlan): string {
  const rates = plan.bodies.map(
    ({ bytes, ratePerSecond }) => `${bytes / 1000} KB at ${ratePerSecond}/s`,
  );
  const paces = plan.streams.map(({ streams, intervalMs }) => `${streams} every ${intervalMs} ms`);
  return (
    `whole answers of about 0.4 KB from a mock upstream that answers at once: requests/s and CPU with ${plan.connections} ` +
    `connections in a closed loop; p50 and p99 of an open loop (${rates.join(", ")}), less those of the bare upstream in ` +
    `the same round. Streams that begin on a schedule (${paces.join(", ")}): time to first token less the bare upstream's; ` +
    "relay, from the making of a token to its arrival; jitter, how far the gap between two arrivals lies from the gap " +
    "between their makings; every token counted and in order. " +
    leaveWords(plan) +
    `Medians of ${plan.rounds} round(s), the order turned around each round, every process fresh; CPU and memory of all ` +
    "processes of a contender, which has one core to itself; load generator and upstream share another."
  );
}

function leaveWords({ leave }: OverheadPlan): string {
  if (leave === undefined) return "";
  return `Callers that leave (${leave.streams} at once): what the upstream did in the next ${leave.watchMs} ms, worst round. `;
}

/** Figures without a value (no /proc, no base to compare with) are left out, never guessed. */
function present(
  entries: readonly (readonly [name: string, value: number | undefined, unit: string])[],
): Figure[] {
  return entries.flatMap(([name, value, unit]) =>
    value === undefined || !Number.isFinite(value) ? [] : [{ name, value, unit }],
  );
}

function figuresOfBody(bench: string, each: BodySummary): Figure[] {
  const at = (figure: string) => `${bench}.${each.contender}.${figure}.${each.bytes}`;
  return present([
    [at("requests_per_second"), each.requestsPerSecond, "1/s"],
    [at("ratio_to_direct"), each.toDirect, "1"],
    [at("ratio_to_nginx"), each.toNginx, "1"],
    [at("cpu_per_request"), each.cpuUs, "µs"],
    [at("cpu_per_request_open"), each.openCpuUs, "µs"],
    [at("added_p50"), each.addedP50Us, "µs"],
    [at("added_p99"), each.addedP99Us, "µs"],
    [at("rss"), each.rssMib, "MiB"],
  ]);
}

function figuresOfStreams(bench: string, each: StreamSummary): Figure[] {
  const at = (figure: string) => `${bench}.${each.contender}.${figure}.${each.streams}_streams`;
  return present([
    [at("tokens_per_second"), each.tokensPerSecond, "1/s"],
    [at("delivered"), each.delivered, "1"],
    [at("added_ttft_p50"), each.addedTtftP50Us, "µs"],
    [at("added_ttft_p99"), each.addedTtftP99Us, "µs"],
    [at("relay_p50"), each.relayP50Us, "µs"],
    [at("relay_p99"), each.relayP99Us, "µs"],
    [at("jitter_p50"), each.jitterP50Us, "µs"],
    [at("jitter_p99"), each.jitterP99Us, "µs"],
    [at("cpu_per_token"), each.cpuUs, "µs"],
    [at("cpu_per_token_to_nginx"), each.cpuToNginx, "1"],
    [at("rss"), each.rssMib, "MiB"],
    [at("rss_per_stream"), each.rssKibEach, "KiB"],
  ]);
}

function figuresOfIdle(bench: string, each: IdleSummary): Figure[] {
  const at = (figure: string) => `${bench}.${each.contender}.${figure}`;
  return present([
    [at("ready"), each.readyMs, "ms"],
    [at("cpu_at_rest"), each.cpuShare, "cores"],
    [at("rss_at_rest"), each.rssMib, "MiB"],
  ]);
}
