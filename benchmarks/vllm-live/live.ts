/** The proxy before two engines: what it foretold, where turns landed, who was lost. */
import { startTestProxy, type TestProxy } from "@warmpath/inference-proxy/testing";
import { testPrincipal } from "@warmpath/runtime/testing";
import { type Bar, barOf } from "../report/bars.ts";
import { temporaryFolder } from "../system/temporary-folder.ts";
import { type EngineKind, type LiveEngine, startEngine } from "./engines.ts";
import { type Fault, type FaultResult, runFault, runOverload, runPoison } from "./faults.ts";
import { landingOf, runSessions, type SessionsPlan, type Turn } from "./sessions.ts";

/** What to run. */
export interface LivePlan {
  readonly sessions: SessionsPlan;
  /** `none`; `mild`: those that an engine survives; `all`: those that kill it too. */
  readonly faults: "none" | "mild" | "all";
}

/** Turns by how what was foretold compares with what was reported. */
export type Predictions = Readonly<Record<"equal" | "over" | "under", number>>;

/** Everything that was seen. */
export interface LiveResult {
  readonly turns: readonly Turn[];
  readonly predictions: Predictions;
  /** Of a proxy that began when most batches were no longer to be had. */
  readonly late: Predictions | undefined;
  readonly faults: readonly FaultResult[];
  readonly bars: readonly Bar[];
}

/** Where and how. */
export interface LiveOptions {
  readonly engines: EngineKind;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
}

const engineCount = 2;

/** Starts engines and proxy, runs the plan, and stops them whatever happens. */
export async function runLive(plan: LivePlan, options: LiveOptions): Promise<LiveResult> {
  const { engines: kind, signal, say } = options;
  const folder = temporaryFolder("vllm-live");
  const opened: { close(): Promise<void> }[] = [];
  try {
    say(`starting ${engineCount} engines (${kind.kind})`);
    const started = await Promise.allSettled(
      Array.from({ length: engineCount }, (_, index) =>
        startEngine(kind, folder.path, index, signal),
      ),
    );
    const engines: LiveEngine[] = [];
    for (const each of started) {
      if (each.status === "fulfilled") engines.push(each.value);
    }
    opened.push(...engines);
    for (const each of started) {
      if (each.status === "rejected") throw each.reason;
    }
    const proxy = await startTestProxy(engines, { probeIntervalMs: 1000 });
    opened.push(proxy);
    await eventsTrusted(proxy, signal);
    return await measure(plan, proxy, engines, options);
  } finally {
    for (const each of opened.toReversed()) await each.close();
    folder.remove();
  }
}

async function measure(
  plan: LivePlan,
  proxy: TestProxy,
  engines: readonly LiveEngine[],
  { say, engines: kind }: LiveOptions,
): Promise<LiveResult> {
  say(`${plan.sessions.sessions} sessions of ${plan.sessions.turns} turns`);
  const turns = await runSessions(proxy.url, plan.sessions);
  const predictions = await predictionsOf(proxy);
  const { warmShare, loadShare } = landingOf(turns);
  say(
    `foretold: ${JSON.stringify(predictions)}, landed: ${JSON.stringify({ warmShare, loadShare })}`,
  );
  const late = kind.kind === "vllm" ? await startLate(engines, plan.sessions) : undefined;
  if (late !== undefined) say(`foretold by a proxy that started late: ${JSON.stringify(late)}`);
  const faults: FaultResult[] = [];
  for (const run of faultsOf(plan, proxy, engines, kind)) {
    const result = await run();
    say(`${result.name}: ${JSON.stringify(result)}`);
    faults.push(result);
  }
  const notDone = turns.filter(({ end }) => end !== "done").length;
  const bars = [
    barOf("turns that were not served", notDone, "<=", 0),
    barOf(
      "cached tokens foretold = reported, share of turns",
      predictions.equal / turns.length,
      ">=",
      0.98,
    ),
    barOf("later turns that landed warm, share", warmShare, ">=", 0.95),
    barOf("turns at the busier engine, share", loadShare, "<=", 0.6),
    ...(late === undefined
      ? []
      : [barOf("foretold by a proxy that started late, share", shareOf(late), ">=", 0.75)]),
    ...faults.flatMap(barsOf),
  ];
  return { turns, predictions, late, faults, bars };
}

/**
 * A second proxy in front of warm engines: it learns what they hold from what its requests find, so
 * that a session's first turn may find more than was foretold, and later ones do not.
 */
async function startLate(
  engines: readonly LiveEngine[],
  sessions: SessionsPlan,
): Promise<Predictions> {
  const proxy = await startTestProxy(engines, { probeIntervalMs: 1000 });
  try {
    // Until each engine has answered once, nothing is believed and nothing foretold.
    await runSessions(proxy.url, { ...sessions, sessions: 4, turns: 2 });
    await runSessions(proxy.url, { ...sessions, sessions: Math.ceil(sessions.sessions / 2) });
    return await predictionsOf(proxy);
  } finally {
    await proxy.close();
  }
}

function shareOf({ equal, over, under }: Predictions): number {
  return equal / (equal + over + under);
}

/** Faults in an order in which each finds two living engines, but for the last. */
function faultsOf(
  { faults }: LivePlan,
  proxy: TestProxy,
  [first, second]: readonly LiveEngine[],
  { kind }: EngineKind,
): readonly (() => Promise<FaultResult>)[] {
  if (faults === "none" || first === undefined || second === undefined) return [];
  const mild = [() => runOverload(proxy), () => runFault(proxy, first, stopped)];
  if (faults === "mild") return mild;
  return [
    ...mild,
    () => runFault(proxy, first, terminated),
    () => runFault(proxy, second, killed),
    // What poisons a real engine is nothing to a simulated one.
    ...(kind === "vllm" ? [() => runPoison(proxy)] : []),
  ];
}

const stopped: Fault = {
  name: "SIGSTOP",
  strike: (engine) => engine.send("SIGSTOP", "all"),
  mend: (engine) => engine.send("SIGCONT", "all"),
};
const terminated: Fault = {
  name: "SIGTERM",
  strike: (engine) => engine.send("SIGTERM", "api"),
  mend: (engine) => engine.restart(),
};
const killed: Fault = {
  name: "SIGKILL",
  strike: (engine) => engine.send("SIGKILL", "all"),
  mend: (engine) => engine.restart(),
};

/**
 * A client gets an answer or an explicit error within this of the last sign of life, in ms, beyond
 * what the model's own pace explains.
 */
const silenceMsMax = 10_000;
/** A recovered replica is back in rotation within this, in ms. */
const backMsMax = 5000;

function barsOf({ name, open, struck, after, silenceMs, backMs }: FaultResult): readonly Bar[] {
  const isPoison = name === "poison";
  const lost = (counts: Readonly<Record<string, number>>) =>
    (counts["hung"] ?? 0) + (counts["cut"] ?? 0) + (counts["bare-error"] ?? 0);
  const refused = after["refused"] ?? 0;
  return [
    ...(struck === undefined
      ? []
      : [barOf(`${name}: open streams at the engine`, struck, ">=", 1)]),
    barOf(`${name}: streams without done or an explicit error`, lost(open), "<=", 0),
    barOf(`${name}: longest silence before the end, ms`, silenceMs, "<=", silenceMsMax),
    isPoison
      ? barOf("poison: requests refused with an explicit error", refused, ">=", 2)
      : barOf(
          `${name}: later requests that were lost`,
          lost(after) + refused + (after["error"] ?? 0),
          "<=",
          0,
        ),
    ...(backMs === undefined
      ? []
      : [barOf(`${name}: back in rotation, ms`, backMs, "<=", backMsMax)]),
  ];
}

/** Waits until both engines' events are believed: what is asked for before is not foretold. */
async function eventsTrusted(proxy: TestProxy, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const { replicas } = await proxy.inference.listReplicas({}, { principal: testPrincipal() });
    if (replicas.every(({ cacheKnowledge }) => cacheKnowledge === "events")) return;
    await Bun.sleep(50);
  }
}

async function predictionsOf(proxy: TestProxy): Promise<Predictions> {
  const page = await proxy.metrics.text();
  const sum = (result: string) =>
    page
      .split("\n")
      .filter((line) => line.startsWith("warmpath_inference_proxy_cache_predictions_total{"))
      .filter((line) => line.includes(`result="${result}"`))
      .reduce((total, line) => total + Number(line.split(" ").at(-1)), 0);
  return { equal: sum("equal"), over: sum("over"), under: sum("under") };
}
