import { type Contender, direct, warmpath } from "../overhead/contenders.ts";
import { interruptionOf, unlessStopped } from "../overhead/interrupt.ts";
import { measureOverhead } from "../overhead/measure.ts";
import type { OverheadPlan } from "../overhead/plan.ts";
import { describePlan, summarise } from "../overhead/summarise.ts";
import { allTables } from "../overhead/tables.ts";
import { machineFacts } from "../report/machine.ts";
import type { BenchReport } from "../report/report.ts";
import { findRival } from "./find.ts";
import { bifrost } from "./programs/bifrost.ts";
import { envoy } from "./programs/envoy.ts";
import { gomodel } from "./programs/gomodel.ts";
import { haproxy } from "./programs/haproxy.ts";
import { litellm } from "./programs/litellm.ts";
import { nginx } from "./programs/nginx.ts";
import { portkey } from "./programs/portkey.ts";
import { smg } from "./programs/smg.ts";
import { vllmRouter } from "./programs/vllm-router.ts";
import { ratioTable } from "./ratio-table.ts";
import type { Rival } from "./rival.ts";

/** Everybody that is measured beside the bare upstream and us, plain proxies first. */
export const rivals: readonly Rival[] = [
  nginx,
  haproxy,
  envoy,
  smg,
  vllmRouter,
  bifrost,
  gomodel,
  portkey,
  litellm,
];

/** How to run. */
export interface RivalsOptions {
  readonly mayInstall: boolean;
  /**
   * Rivals to run; undefined: all. `direct`, `nginx` (where it is there) and `warmpath` always run.
   */
  readonly only: readonly string[] | undefined;
  readonly installOnly: boolean;
  readonly onProgress: (text: string) => void;
  /** Ends the run with what is finished. */
  readonly signal?: AbortSignal;
}

/** Runs the bench: what others add to a request and to a stream, in the same harness as ours. */
export async function runRivals(plan: OverheadPlan, options: RivalsOptions): Promise<BenchReport> {
  const machine = machineFacts();
  const { contenders, versions, absent } = await findContenders(options);
  const running = options.installOnly ? [] : contenders;
  const measured = await measureOverhead(running, plan, options.onProgress, options.signal);
  const summary = summarise(running, measured, plan, "rivals");
  const versionLines = versions.map(([name, version]) => `${name} ${version}`).join(", ");
  return {
    bench: "rivals",
    question: "what do others add to a request and to a stream?",
    machine,
    parameters: {
      ...plan,
      contenders: contenders.map(({ name, what }) => ({ name, what })),
      versions: Object.fromEntries(versions),
    },
    rounds: measured.rounds,
    figures: summary.figures,
    table: options.installOnly
      ? `installed: ${versionLines}`
      : [`versions: ${versionLines}`, "", ratioTable(summary), "", allTables(summary)].join("\n"),
    measured: options.installOnly ? "nothing: installed only" : describePlan(plan),
    notMeasured:
      "what each does beside relaying: ours checks keys, counts limits, books placements and reads usage; the routers " +
      "place by cache; the gateways translate between providers; the plain proxies do none of it. Logs, auth, retries and " +
      "metrics of rivals are off where they can be. Many replicas, TLS, HTTP/2, prompts that differ. Bifrost is its core " +
      "behind a front of this repository.",
    absent: [...absent, ...summary.faults],
    ...interruptionOf(options.signal, measured.rounds.length, plan.rounds * running.length),
  };
}

async function findContenders(options: RivalsOptions): Promise<{
  readonly contenders: readonly Contender[];
  readonly versions: readonly (readonly [name: string, version: string])[];
  readonly absent: readonly string[];
}> {
  const unknown = options.only?.filter((name) => !known().includes(name)) ?? [];
  if (unknown.length > 0) {
    throw new Error(`nobody is called ${unknown.join(", ")}; there are ${known().join(", ")}`);
  }
  const contenders: Contender[] = [direct];
  const versions: [string, string][] = [];
  const absent: string[] = [];
  for (const rival of rivals) {
    const isWanted = options.only === undefined || options.only.includes(rival.name);
    if (!isWanted && rival !== nginx) continue;
    const found = await unlessStopped(findRival(rival, options), options.signal);
    if ("absent" in found) absent.push(found.absent);
    else {
      contenders.push(found.contender);
      versions.push([rival.name, found.version]);
    }
  }
  contenders.push(warmpath);
  return { contenders, versions, absent };
}

const known = () => [direct.name, ...rivals.map(({ name }) => name), warmpath.name];
