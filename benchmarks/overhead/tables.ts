import { formatNumber, formatTable } from "../report/table.ts";
import type { OverheadSummary } from "./summarise.ts";
import type { BodySummary, IdleSummary, LeaveSummary, StreamSummary } from "./summary.ts";

const ms = (us: number | undefined) => formatNumber(us === undefined ? undefined : us / 1000, 2);
const sizeOf = (bytes: number) =>
  bytes >= 1_000_000 ? `${bytes / 1_000_000} MB` : `${bytes / 1_000} KB`;

/** All tables of a run, one below the other. */
export function allTables({ bodies, streams, leaves, idles }: OverheadSummary): string {
  return [bodiesTable(bodies), streamsTable(streams), leaveTable(leaves), idleTable(idles)].join(
    "\n\n",
  );
}

/** Whole answers, one row a contender and size. */
function bodiesTable(summaries: readonly BodySummary[]): string {
  const header = [
    "whole answers",
    "body",
    "req/s",
    "÷ direct",
    "÷ nginx",
    "spread",
    "CPU µs/req",
    "p50 µs",
    "added p50",
    "added p99",
    "RSS MiB",
    "",
  ];
  const rows = summaries.map((each) => [
    each.contender,
    sizeOf(each.bytes),
    formatNumber(each.requestsPerSecond),
    formatNumber(each.toDirect, 3),
    formatNumber(each.toNginx, 3),
    `${formatNumber(each.spread * 100)} %`,
    formatNumber(each.cpuUs),
    formatNumber(each.p50Us),
    formatNumber(each.addedP50Us),
    formatNumber(each.addedP99Us),
    formatNumber(each.rssMib),
    each.remark,
  ]);
  return formatTable(header, rows);
}

/** Streams, one row a contender and number of streams. */
function streamsTable(summaries: readonly StreamSummary[]): string {
  const header = [
    "streams",
    "at once",
    "tokens/s",
    "of due",
    "added TTFT p50 ms",
    "p99",
    "relay p50 ms",
    "p99",
    "jitter p50 ms",
    "p99",
    "CPU µs/token",
    "÷ nginx",
    "RSS MiB",
    "beyond rest, KiB each",
    "",
  ];
  const rows = summaries.map((each) => [
    each.contender,
    formatNumber(each.streams),
    formatNumber(each.tokensPerSecond),
    `${formatNumber(each.delivered * 100)} %`,
    ms(each.addedTtftP50Us),
    ms(each.addedTtftP99Us),
    ms(each.relayP50Us),
    ms(each.relayP99Us),
    ms(each.jitterP50Us),
    ms(each.jitterP99Us),
    formatNumber(each.cpuUs, 1),
    formatNumber(each.cpuToNginx, 2),
    formatNumber(each.rssMib),
    formatNumber(each.rssKibEach),
    each.remark,
  ]);
  return formatTable(header, rows);
}

const leaveWords = {
  midway: "behind its third token",
  "before-first": "before its first token",
  "before-whole": "before a whole answer",
} as const;

/** Callers that leave, one row a contender and moment. */
function leaveTable(summaries: readonly LeaveSummary[]): string {
  const header = ["callers that leave", "when", "cut upstream", "tokens made", "after leaving", ""];
  const rows = summaries.map((each) => [
    each.contender,
    leaveWords[each.when],
    `${each.cut} of ${each.streams}`,
    each.when === "before-whole" ? "–" : formatNumber(each.tokensPerStream, 1),
    each.when === "before-whole" ? "–" : formatNumber(each.tokensAfterLeaving, 1),
    each.failures > 0 ? `${each.failures} failures` : "",
  ]);
  return formatTable(header, rows);
}

/** What each costs while nobody asks it anything. */
function idleTable(summaries: readonly IdleSummary[]): string {
  const rows = summaries
    .filter(({ cpuShare }) => cpuShare !== undefined)
    .map((each) => [
      each.contender,
      formatNumber(each.readyMs),
      `${formatNumber((each.cpuShare ?? 0) * 100, 1)} %`,
      formatNumber(each.rssMib),
    ]);
  return formatTable(["at rest", "ready after ms", "CPU of a core", "RSS MiB"], rows);
}
