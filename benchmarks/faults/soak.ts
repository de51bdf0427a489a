/** Replicas fail one after another under load; what callers saw is held against the truth. */
import { startTestProxy, type TestProxy } from "@warmpath/inference-proxy/testing";
import { type Bar, barOf } from "../report/bars.ts";
import { startReplica } from "../system/start-replica.ts";
import { ask, type Ending, startCallers } from "./callers.ts";
import { type Fault, faults, type Victim } from "./faults.ts";

/** How long and how hard. */
export interface SoakPlan {
  readonly name: "full" | "quick" | "tiny";
  readonly callers: number;
  /** How long each fault lasts. */
  readonly heldMs: number;
  /** Silence allowed beyond what a replica's pace explains; undefined: the proxy's default. */
  readonly silenceGraceMs: number | undefined;
  readonly faults: readonly Fault[];
}

/** The proxy's default settings, each fault longer than they take to notice it: two minutes. */
export const fullPlan: SoakPlan = {
  name: "full",
  callers: 16,
  heldMs: 11_000,
  silenceGraceMs: undefined,
  faults,
};

/** All faults with a short grace: half a minute. */
export const quickPlan: SoakPlan = {
  ...fullPlan,
  name: "quick",
  heldMs: 2500,
  silenceGraceMs: 1000,
};

/** As quick, with fewer callers and shorter faults. */
export const tinyPlan: SoakPlan = {
  ...quickPlan,
  name: "tiny",
  callers: 8,
  heldMs: 1000,
  silenceGraceMs: 600,
  faults: faults.filter(({ name }) => !name.includes("SIGSTOP")),
};

/** How one fault went by. */
export interface FaultRound {
  readonly fault: string;
  /** Endings of the streams that ended while it lasted and until the replica was back. */
  readonly endings: Readonly<Record<string, number>>;
  /** From the replica's being well to its next answer; undefined where it never left. */
  readonly backMs: number | undefined;
}

/** All that was seen. */
export interface SoakResult {
  readonly rounds: readonly FaultRound[];
  readonly endings: readonly Ending[];
  /** Tries of upstreams for each call. */
  readonly triesPerCall: number;
  readonly bars: readonly Bar[];
}

/** Fewer words than the faults' tokens would not be struck; many more take long. */
const prompts = Array.from({ length: 12 }, (_, index) => `Write ${30 + index} words about rivers.`);
const replicaCount = 3;
/** Longest wait for a replica's return, beyond the bar so that a miss is told as a figure. */
const returnMsMax = 15_000;
/** Ticks, retries and a busy machine, on top of the grace. */
const silenceSlackMs = 2000;
const defaultGraceMs = 8000;

/** Runs the plan with processes of its own, and ends them. */
export async function runSoak(
  plan: SoakPlan,
  { onProgress }: { readonly onProgress: (text: string) => void },
): Promise<SoakResult> {
  const replicas: Victim[] = [];
  let proxy: TestProxy | undefined;
  try {
    for (let count = 0; count < replicaCount; count += 1) {
      replicas.push(await startReplica(["--allow-faults", "--seed=1", "--speed=4"]));
    }
    const truth = await answersOf(replicas[0]?.url ?? "");
    proxy = await startTestProxy(replicas, {
      probeIntervalMs: 500,
      probeTimeoutMs: 1500,
      ...(plan.silenceGraceMs === undefined ? {} : { silenceGraceMs: plan.silenceGraceMs }),
    });
    return await soak(plan, { replicas, proxy, truth, onProgress });
  } finally {
    await proxy?.close();
    await Promise.all(replicas.map((replica) => replica.stop(0)));
  }
}

/** What each prompt is answered with where nothing fails: the same on every replica. */
async function answersOf(url: string): Promise<ReadonlyMap<string, string>> {
  const truth = new Map<string, string>();
  for (const prompt of prompts) {
    const { kind, text } = await ask(url, prompt);
    if (kind !== "done" || text === "")
      throw new Error(`no answer to hold others against: ${kind}`);
    truth.set(prompt, text);
  }
  return truth;
}

async function soak(
  plan: SoakPlan,
  parts: {
    readonly replicas: readonly Victim[];
    readonly proxy: TestProxy;
    readonly truth: ReadonlyMap<string, string>;
    readonly onProgress: (text: string) => void;
  },
): Promise<SoakResult> {
  const { replicas, proxy, truth, onProgress } = parts;
  const callers = startCallers({ url: proxy.url, count: plan.callers, prompts });
  const rounds: FaultRound[] = [];
  try {
    // The proxy learns the pace of health before that of illness.
    await Bun.sleep(plan.heldMs);
    for (const [index, fault] of plan.faults.entries()) {
      const victim = replicas[index % replicas.length];
      if (victim === undefined) continue;
      onProgress(`${victim.url} ${fault.name}`);
      const from = callers.endings.length;
      await fault.strike(victim, plan.heldMs);
      const backMs = fault.takesOut ? await untilBack(victim, callers.endings) : undefined;
      rounds.push({ fault: fault.name, endings: countKinds(callers.endings.slice(from)), backMs });
    }
  } finally {
    await callers.stop();
  }
  const { endings } = callers;
  const triesPerCall = (await attemptsOf(proxy)) / endings.length;
  const bars = barsOf(plan, { rounds, endings, truth });
  return { rounds, endings, triesPerCall, bars };
}

/** How long until a request that began after now is answered by the replica. */
async function untilBack(victim: Victim, endings: readonly Ending[]): Promise<number> {
  const fromMs = performance.now();
  const name = new URL(victim.url).host;
  // A stream that has begun since then ends a little later, and is in the list by then.
  const looked = endings.length;
  while (performance.now() - fromMs < returnMsMax) {
    const landed = endings
      .slice(looked)
      .filter(({ replica, headAtMs }) => replica === name && headAtMs > fromMs);
    const [first] = landed.toSorted((a, b) => a.headAtMs - b.headAtMs);
    if (first !== undefined) return first.headAtMs - fromMs;
    await Bun.sleep(20);
  }
  return returnMsMax;
}

function countKinds(endings: readonly Ending[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { kind } of endings) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

async function attemptsOf(proxy: TestProxy): Promise<number> {
  const text = await proxy.metrics.text();
  return [...text.matchAll(/^warmpath_inference_proxy_attempts_total\{.*\} (\d+)$/gm)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  );
}

function barsOf(
  plan: SoakPlan,
  seen: {
    readonly rounds: readonly FaultRound[];
    readonly endings: readonly Ending[];
    readonly truth: ReadonlyMap<string, string>;
  },
): readonly Bar[] {
  const { endings, rounds, truth } = seen;
  const count = (kind: Ending["kind"]) => endings.filter((each) => each.kind === kind).length;
  const expected = ({ prompt }: Ending) => truth.get(prompt) ?? "";
  const wrong = endings.filter((each) =>
    each.kind === "done" ? each.text !== expected(each) : !expected(each).startsWith(each.text),
  );
  const graceMs = plan.silenceGraceMs ?? defaultGraceMs;
  const backMs = rounds.map((round) => round.backMs ?? 0);
  return [
    barOf("requests lost before their first event", count("refused"), "<=", 0),
    barOf("streams that ended without a word", count("broken"), "<=", 0),
    barOf("streams that did not end", count("hung"), "<=", 0),
    barOf("answers that are not the one answer, or no beginning of it", wrong.length, "<=", 0),
    barOf(
      "longest silence of a stream, in s",
      Math.max(...endings.map(({ silenceMs }) => silenceMs)) / 1000,
      "<=",
      (graceMs + silenceSlackMs) / 1000,
    ),
    barOf(
      "longest time until a recovered replica answers, in s",
      Math.max(...backMs) / 1000,
      "<=",
      5,
    ),
  ];
}
