import type { MachineFacts } from "../report/machine.ts";
import type { BenchReport } from "../report/report.ts";
import { formatTable } from "../report/table.ts";
import type { EngineKind } from "./engines.ts";
import type { LivePlan, LiveResult } from "./live.ts";
import { landingOf } from "./sessions.ts";

/** The run for people and for machines. */
export function reportOf(
  plan: LivePlan,
  engines: EngineKind,
  { turns, predictions, late, faults, bars }: LiveResult,
  machine: MachineFacts,
): BenchReport {
  const { warmShare, loadShare } = landingOf(turns);
  const { equal, over, under } = predictions;
  const counts = (of: Readonly<Record<string, number>>) =>
    Object.entries(of)
      .map(([end, count]) => `${count} ${end}`)
      .join(", ");
  const rows = faults.map(({ name, open, struck, after, silenceMs, backMs }) => [
    name,
    counts(open),
    struck === undefined ? "" : String(struck),
    counts(after),
    String(Math.round(silenceMs)),
    backMs === undefined ? "" : String(Math.round(backMs)),
  ]);
  const sessions = [
    `${turns.length} turns: cached tokens foretold equal ${equal}, over ${over}, under ${under};`,
    `${(100 * warmShare).toFixed(1)} % of later turns landed warm,`,
    `${(100 * loadShare).toFixed(1)} % of all turns at the busier engine.`,
    late === undefined ? "" : `A proxy that started late: ${JSON.stringify(late)}.`,
  ].join(" ");
  const headings = ["fault", "open streams", "at it", "requests after it", "silence ms", "back ms"];
  return {
    bench: "vllm-live",
    question: "does the proxy know what real engines have cached, and who is lost when they fail?",
    machine,
    parameters: { plan, engines: engines.kind },
    rounds: [{ turns, predictions, late, faults }],
    figures: bars.map(({ name, value }) => ({ name, value, unit: "" })),
    table: rows.length === 0 ? sessions : `${sessions}\n\n${formatTable(headings, rows)}`,
    measured:
      "cached tokens as each answer reports them, against what the proxy foretold from KV events when it sent the request; how each stream ended, by its last bytes",
    notMeasured:
      "time on a GPU, several proxies, prompts given as text; the model's answers are noise",
    absent: [],
  };
}
