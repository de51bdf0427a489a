import { type Bar, barOf } from "../report/bars.ts";
import { machineFacts } from "../report/machine.ts";
import type { BenchReport } from "../report/report.ts";
import { formatTable } from "../report/table.ts";
import { shapes } from "./bodies.ts";
import { measurePrompt, type PromptPlan, type PromptTimes, summaryOf } from "./measure-prompt.ts";

/** How much is measured. */
export interface DecisionPlan {
  readonly prompts: readonly PromptPlan[];
}

const kb = 1000;
const sizes = (bytes: readonly number[], sessions: number): DecisionPlan => ({
  prompts: bytes.map((bodyBytes) => ({ bodyBytes, sessions })),
});

/** The bar's size is the last; the smaller ones show what the length costs. */
export const fullPlan = sizes([1 * kb, 10 * kb, 150 * kb, 280 * kb], 100);
export const quickPlan = sizes([10 * kb, 280 * kb], 40);
export const tinyPlan = sizes([20 * kb], 3);

/** The issue's: a 280 KB prompt, what is not parsing. */
const coldMsMax = 1;
const knownMsMax = 0.2;
const barBytes = 280 * kb;

/** Runs a plan; bars are only of the size that the issue names. */
export function runDecision(
  plan: DecisionPlan,
  options: { readonly onProgress: (text: string) => void },
): { readonly report: BenchReport; readonly bars: readonly Bar[] } {
  const machine = machineFacts();
  const rounds: PromptTimes[] = [];
  for (const prompt of plan.prompts) {
    for (const shape of shapes) {
      options.onProgress(`${shape.name}, ${prompt.bodyBytes / kb} KB`);
      rounds.push(measurePrompt(shape, prompt));
    }
  }
  return { report: reportOf(plan, rounds, machine), bars: rounds.flatMap(barsOf) };
}

function barsOf(times: PromptTimes): readonly Bar[] {
  if (times.bodyBytes < barBytes) return [];
  const name = `decision: prompt of ${barBytes / kb} KB, ${times.shape}`;
  return [
    barOf(`${name}, cold, p50 ms`, summaryOf(times.coldMs).p50, "<=", coldMsMax),
    barOf(`${name}, known session, p50 ms`, summaryOf(times.knownMs).p50, "<=", knownMsMax),
  ];
}

function reportOf(
  plan: DecisionPlan,
  rounds: readonly PromptTimes[],
  machine: BenchReport["machine"],
): BenchReport {
  const figures = rounds.flatMap((times) =>
    (["coldMs", "knownMs"] as const).flatMap((kind) => {
      const { p50, p90 } = summaryOf(times[kind]);
      const name = `${times.shape}.${times.bodyBytes}.${kind}`;
      return [
        { name: `${name}.p50`, value: p50, unit: "ms" },
        { name: `${name}.p90`, value: p90, unit: "ms" },
      ];
    }),
  );
  return {
    bench: "decision",
    question: "what does it cost to know what a prompt is?",
    machine,
    parameters: { plan },
    rounds,
    figures,
    table: tableOf(rounds),
    measured:
      "wall time of one request's part of a decision, on one core, code compiled: members of the body, keys, session. " +
      "The shortest of three plays of each session. Cold: a session never seen. Known: its next request, a turn longer.",
    notMeasured:
      "reading the body from the socket, checking its UTF-8, writing the upstream's body, placement",
    absent: [],
  };
}

function tableOf(rounds: readonly PromptTimes[]): string {
  const us = (ms: number) => (ms * 1000).toFixed(1);
  return formatTable(
    ["prompt", "bytes", "messages", "keys", "cold p50 µs", "p90", "known p50 µs", "p90"],
    rounds.map(({ shape, bodyBytes, messages, keys, coldMs, knownMs }) => {
      const cold = summaryOf(coldMs);
      const known = summaryOf(knownMs);
      return [
        shape,
        String(bodyBytes),
        String(messages),
        String(keys),
        us(cold.p50),
        us(cold.p90),
        us(known.p50),
        us(known.p90),
      ];
    }),
  );
}
