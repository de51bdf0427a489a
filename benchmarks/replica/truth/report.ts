import type { MachineFacts } from "../../report/machine.ts";
import type { BenchReport } from "../../report/report.ts";
import type { ServerComparison } from "./compare-server.ts";
import { type Judged, judge } from "./listed.ts";
import type { Truth } from "./run-truth.ts";
import { commonFlags, liveServers, notReplayed } from "./vllm-servers.ts";

/** A report, and the two figures that have a bar. */
export interface TruthReport {
  readonly report: BenchReport;
  readonly unlisted: number;
  readonly compared: number;
}

/** What stood in the place of the truth. */
export function nameOf(truth: Truth): string {
  return truth.kind === "vllm" ? "vLLM" : "a second replica";
}

/** Everything that was found, listed or not. */
export function reportOf(
  comparisons: readonly ServerComparison[],
  truth: Truth,
  machine: MachineFacts,
): TruthReport {
  const judged = comparisons.map(({ server, findings }) => ({ server, ...judge(findings) }));
  const unlisted = judged.flatMap((each) => each.unlisted);
  const listed = judged.flatMap((each) => each.listed);
  const requests = sum(comparisons.map((each) => each.requests));
  const steps = sum(comparisons.map((each) => each.eventSteps));
  const batches = sum(comparisons.map((each) => each.eventBatches));
  const servers = comparisons.map(({ server }) => server);
  return {
    unlisted: unlisted.length,
    compared: requests + steps,
    report: {
      bench: "replica-truth",
      question: `is the replica like ${nameOf(truth)}?`,
      machine,
      parameters: {
        truth: truth.kind === "vllm" ? truth.vllm.program : "replica",
        servers: servers.map((name) => ({ name, flags: liveServers[name].flags })),
        commonFlags,
      },
      rounds: comparisons,
      figures: [
        { name: "unlisted differences", value: unlisted.length, unit: "differences" },
        { name: "listed differences", value: listed.length, unit: "differences" },
        { name: "requests", value: requests, unit: "requests" },
        { name: "event batches", value: batches, unit: "batches" },
      ],
      table: [
        ...unlistedLines(unlisted),
        ...listedLines(listed),
        `${requests} requests, ${steps} event steps with ${batches} batches: ` +
          `${unlisted.length} differences that no table lists, ${listed.length} that one does.`,
      ].join("\n"),
      measured:
        "status, header names, members and types of JSON, kinds and order of stream events, words " +
        "of refusals, names and labels of metrics; cached tokens, and every KV event of the same " +
        `prompts with its hashes. Server ${servers.join(" and ")}; truth: ${nameOf(truth)}.`,
      notMeasured:
        "times, and the words of answers: the model is random. " +
        Object.entries(notReplayed)
          .map(([name, why]) => `Recordings of server ${name}: ${why}.`)
          .join(" "),
      absent: [],
    },
  };
}

/** The same difference of many requests in one line. */
function unlistedLines(unlisted: Judged["unlisted"]): string[] {
  const groups = Map.groupBy(unlisted, ({ what }) => what);
  return [...groups].map(([what, all]) => `DIFFERENT  ${namesIn(all)}  ${what}`);
}

/** One line for each entry of a table, with how often it was needed and for what at first. */
function listedLines(listed: Judged["listed"]): string[] {
  const groups = Map.groupBy(listed, ({ id }) => id);
  return [...groups].map(([id, all]) => {
    const more = all.length > 1 ? ` and ${all.length - 1} more` : "";
    return `listed: ${id}  ${namesIn(all)}  ${all[0]?.what}${more}`;
  });
}

function namesIn(findings: readonly { readonly name: string }[]): string {
  const names = [...new Set(findings.map(({ name }) => name.replace(".http", "")))];
  const more = names.length > 2 ? ` and ${names.length - 2} more` : "";
  return `${names.slice(0, 2).join(", ")}${more}`;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
