import { type Bar, barOf } from "../report/bars.ts";
import { machineFacts } from "../report/machine.ts";
import type { BenchReport } from "../report/report.ts";
import { formatTable } from "../report/table.ts";
import { shapes } from "./bodies.ts";
import { measurePrompt, type PromptPlan, type PromptTimes, summaryOf } from "./measure-prompt.ts";
import { measureWhole, type WholePlan, type WholeTimes } from "./measure-whole.ts";

/** How much is measured. */
export interface DecisionPlan {
  readonly prompts: readonly PromptPlan[];
  readonly whole: WholePlan;
}

const kb = 1000;
/** The issue's: a 280 KB prompt, what is not parsing, and the same for 8 replicas as for 512. */
const coldMsMax = 1;
const knownMsMax = 0.2;
const barBytes = 280 * kb;
const flatMax = 1.3;
const fleets = [8, 64, 512];

const planOf = (bytes: readonly number[], sessions: number): DecisionPlan => ({
  prompts: bytes.map((bodyBytes) => ({ bodyBytes, sessions })),
  whole: { bodyBytes: bytes.at(-1)!, replicas: fleets, sessions },
});

/** The bar's size is the last; the smaller ones show what the length costs. */
export const fullPlan = planOf([1 * kb, 10 * kb, 150 * kb, barBytes], 100);
export const quickPlan = planOf([10 * kb, barBytes], 40);
export const tinyPlan = planOf([20 * kb], 3);

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
  const wholes = shapes.map((shape) => {
    options.onProgress(`whole decisions, ${shape.name}, ${fleets.join(" / ")} replicas`);
    return measureWhole(shape, plan.whole);
  });
  return {
    report: reportOf(plan, { prompts: rounds, wholes: wholes.flat() }, machine),
    bars: [...rounds.flatMap(barsOf), ...wholes.flatMap(wholeBarsOf)],
  };
}

/** Of one shape before all fleets, the smallest first. */
function wholeBarsOf(times: readonly WholeTimes[]): readonly Bar[] {
  const least = times[0]!;
  const most = times.at(-1)!;
  if (most.bodyBytes < barBytes) return [];
  const name = `decision: prompt of ${barBytes / kb} KB, ${most.shape}`;
  const [coldMs, knownMs] = [summaryOf(most.coldMs).p50, summaryOf(most.knownMs).p50];
  const flat = (kind: string, ratio: number) =>
    barOf(`${name}, ${kind}, ${most.replicas} : ${least.replicas} replicas`, ratio, "<=", flatMax);
  return [
    barOf(`${name}, cold, placed among ${most.replicas}, p50 ms`, coldMs, "<=", coldMsMax),
    barOf(`${name}, known, placed among ${most.replicas}, p50 ms`, knownMs, "<=", knownMsMax),
    flat("cold", coldMs / summaryOf(least.coldMs).p50),
    flat("known", knownMs / summaryOf(least.knownMs).p50),
  ];
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
  { prompts, wholes }: { prompts: readonly PromptTimes[]; wholes: readonly WholeTimes[] },
  machine: BenchReport["machine"],
): BenchReport {
  const figures = [
    ...prompts.flatMap((times) =>
      (["coldMs", "knownMs"] as const).flatMap((kind) =>
        figuresOf(`${times.shape}.${times.bodyBytes}.${kind}`, times[kind]),
      ),
    ),
    ...wholes.flatMap((times) =>
      (["coldMs", "knownMs", "placeMs"] as const).flatMap((kind) =>
        figuresOf(`whole.${times.shape}.${times.replicas}.${kind}`, times[kind]),
      ),
    ),
  ];
  return {
    bench: "decision",
    question: "what does it cost to know what a prompt is, and to place it?",
    machine,
    parameters: { plan },
    rounds: [...prompts, ...wholes],
    figures,
    table: `${tableOf(prompts)}\n\n${wholeTableOf(wholes)}`,
    measured:
      "wall time of one request's part of a decision, on one core, code compiled: members of the body, keys, session. " +
      "The shortest of three plays of each session. Cold: a session never seen. Known: its next request, a turn longer. " +
      "Whole: the same, the look at what is cached where, the choice and the booking; known is the shortest of three turns.",
    notMeasured:
      "reading the body from the socket, checking its UTF-8, writing the upstream's body",
    absent: [],
  };
}

function figuresOf(name: string, values: readonly number[]) {
  const { p50, p90 } = summaryOf(values);
  return [
    { name: `${name}.p50`, value: p50, unit: "ms" },
    { name: `${name}.p90`, value: p90, unit: "ms" },
  ];
}

function wholeTableOf(wholes: readonly WholeTimes[]): string {
  const us = (values: readonly number[]) => {
    const { p50, p90 } = summaryOf(values);
    return [(p50 * 1000).toFixed(1), (p90 * 1000).toFixed(1)];
  };
  return formatTable(
    [
      ...["whole decision", "bytes", "replicas", "cold p50 µs", "p90"],
      ...["known p50 µs", "p90", "of it placement p50 µs", "p90"],
    ],
    wholes.map(({ shape, bodyBytes, replicas, coldMs, knownMs, placeMs }) => [
      ...[shape, String(bodyBytes), String(replicas)],
      ...us(coldMs),
      ...us(knownMs),
      ...us(placeMs),
    ]),
  );
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
