import type { MachineFacts } from "../report/machine.ts";
import type { BenchReport } from "../report/report.ts";
import { formatTable } from "../report/table.ts";
import type { SoakPlan, SoakResult } from "./soak.ts";

/** The run for people and for machines. */
export function reportOf(plan: SoakPlan, result: SoakResult, machine: MachineFacts): BenchReport {
  const { rounds, endings, bars, triesPerCall } = result;
  const rows = rounds.map(({ fault, endings: ends, backMs }) => [
    fault,
    Object.entries(ends)
      .map(([kind, count]) => `${count} ${kind}`)
      .join(", "),
    backMs === undefined ? "" : String(Math.round(backMs)),
  ]);
  const { faults, ...parameters } = plan;
  return {
    bench: "faults",
    question: "who is lost when replicas fail under load, and how soon are they back?",
    machine,
    parameters: { ...parameters, faults: faults.map(({ name }) => name) },
    rounds: [{ rounds, unwell: endings.filter(({ kind }) => kind !== "done") }],
    figures: [
      ...bars.map(({ name, value }) => ({ name, value, unit: "" })),
      { name: "calls", value: endings.length, unit: "" },
      { name: "tries per call", value: triesPerCall, unit: "" },
    ],
    table: `${formatTable(["a replica", "streams", "back ms"], rows)}\n\n${endings.length} calls, ${triesPerCall.toFixed(3)} tries each`,
    measured:
      "how each stream ended by its last bytes, and its text against the one answer that the engine gives",
    notMeasured:
      "two replicas that fail at once, real engines (bench:vllm-live has them), several proxies",
    absent: [],
  };
}
