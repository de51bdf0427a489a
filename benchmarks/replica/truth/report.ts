import type { MachineFacts } from "../../report/machine.ts";
import type { BenchReport } from "../../report/report.ts";
import type { ServerComparison } from "./compare-server.ts";
import { judge } from "./listed.ts";
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
  const rows = [
    ...unlisted.map(({ name, what }) => ["DIFFERENT", name, what]),
    ...listed.map(({ name, what, id }) => [`listed: ${id}`, name, what]),
  ];
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
        ...merged(rows).map((row) => row.join("  ")),
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

/** The same difference of many requests in one row. */
function merged(rows: readonly (readonly string[])[]): string[][] {
  const groups = new Map<string, { status: string; names: string[]; what: string }>();
  for (const [status = "", name = "", what = ""] of rows) {
    const key = `${status}\n${what}`;
    const group = groups.get(key) ?? { status, names: [], what };
    group.names.push(name.replace(".http", ""));
    groups.set(key, group);
  }
  return [...groups.values()].map(({ status, names, what }) => {
    const more = names.length > 2 ? ` and ${names.length - 2} more` : "";
    return [status, `${names.slice(0, 2).join(", ")}${more}`, what];
  });
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
