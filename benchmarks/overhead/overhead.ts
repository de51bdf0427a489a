import { machineFacts } from "../report/machine.ts";
import type { BenchReport } from "../report/report.ts";
import { findRival } from "../rivals/find.ts";
import { nginx } from "../rivals/programs/nginx.ts";
import { type Contender, direct, warmpath } from "./contenders.ts";
import { interruptionOf, unlessStopped } from "./interrupt.ts";
import { measureOverhead } from "./measure.ts";
import type { OverheadPlan } from "./plan.ts";
import { describePlan, summarise } from "./summarise.ts";
import { allTables } from "./tables.ts";

export { fullPlan, quickPlan, tinyPlan } from "./plan.ts";

/**
 * Runs the bench: what the inference proxy adds to a request and to a stream, against no proxy and
 * against nginx.
 */
export async function runOverhead(
  plan: OverheadPlan,
  options: {
    readonly mayInstall: boolean;
    readonly onProgress: (text: string) => void;
    readonly signal?: AbortSignal;
  },
): Promise<BenchReport> {
  const machine = machineFacts();
  const found = await unlessStopped(findRival(nginx, options), options.signal);
  const contenders: Contender[] = [direct];
  if ("contender" in found) contenders.push(found.contender);
  contenders.push(warmpath);
  const measured = await measureOverhead(contenders, plan, options.onProgress, options.signal);
  const summary = summarise(contenders, measured, plan, "overhead");
  return {
    bench: "overhead",
    question: "what does the inference proxy add to a request and to a stream?",
    machine,
    parameters: { ...plan, contenders: contenders.map(({ name, what }) => ({ name, what })) },
    rounds: measured.rounds,
    figures: summary.figures,
    table: allTables(summary),
    measured: describePlan(plan),
    notMeasured:
      "many replicas, TLS, HTTP/2, prompts that differ, answers with much text. The proxy checks keys, counts limits, " +
      "books placements and reads usage; nginx only relays.",
    absent: [...("absent" in found ? [found.absent] : []), ...summary.faults],
    ...interruptionOf(options.signal, measured.rounds.length, plan.rounds * contenders.length),
  };
}
