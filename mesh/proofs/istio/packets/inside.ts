/**
 * A run of the level, from inside its namespaces: `bun inside.ts`, which isolated.ts starts and
 * reads. What is missing is built and fetched first; the time of that is told apart.
 */
import { readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "@warmpath/runtime/base";
import type { ProofResult } from "../../step.ts";
import { buildGoTests } from "../go-tests.ts";
import { lastChecks, meanwhileChecks } from "./checks/all.ts";
import type { Stage } from "./checks/check.ts";
import { stubChecks } from "./checks/failing-calls.ts";
import { longStreamChecks } from "./checks/streams.ts";
import { startStubs } from "./checks/stubs.ts";
import { fetchEnvoy, findEnvoy } from "./envoy.ts";
import { proveFaults } from "./faults/fault.ts";
import { serviceBenches } from "./faults/services.ts";
import { stubBenches } from "./faults/stubs.ts";
import type { InsideLine } from "./isolated.ts";
import { renderObjects } from "./rendered.ts";
import type { Rig } from "./rig.ts";
import {
  inWords,
  judgeRunTime,
  runSecondsMax,
  type Stretch,
  startStretch,
  together,
} from "./run-time.ts";
import { endCast, others, type SceneOptions, startCast, startScene } from "./scene.ts";
import { fetchStores } from "./stores.ts";
import { startVerdicts, type Verdicts } from "./verdicts.ts";

const say = (text: string) => tell({ say: text });

function tell(line: InsideLine): void {
  writeSync(1, `${JSON.stringify(line)}\n`);
}

async function proveOnPackets(): Promise<ProofResult> {
  const making = startStretch();
  const controlPlane = await buildGoTests(say);
  const envoy = findEnvoy() ?? fetchEnvoy();
  await fetchStores();
  say(`what it needs is built and fetched, which took ${inWords(making())}`);
  const running = startStretch();
  const objects = renderObjects();
  const verdicts = startVerdicts(say);
  const rig = await startScene({ controlPlane, envoy, objects, meshConfig: readMeshConfig() });
  const stage = await proveAll(rig, verdicts);
  const run = running();
  say(`all checks took ${inWords(run)}`);
  if (verdicts.result().failures.length === 0) {
    await plantAll(stage, verdicts);
  } else {
    say("no faults are planted: what is red already cannot turn red");
  }
  const closing = startStretch();
  await rig.close();
  await judge(together(run, closing()), verdicts);
  return verdicts.result();
}

/** Every check, once; what they were made with is left as they leave it. */
async function proveAll(rig: Rig, { prove }: Verdicts): Promise<Stage> {
  say("the mesh is up");
  const stubs = await startStubs(rig);
  for (const { title, run } of stubChecks) {
    await prove(title, () => run({ rig, stubs }));
  }
  await Promise.all(stubs.map((stub) => stub.stop()));
  const stage: Stage = { rig, cast: await startCast(rig), end: "SIGTERM" };
  say("the services are ready");
  // The long streams take their time beside the rest.
  const long = longStreamChecks.map(({ title, run }) => prove(title, () => run(stage)));
  for (const { title, run } of meanwhileChecks) {
    await prove(title, () => run(stage));
  }
  await Promise.all(long);
  for (const { title, run } of lastChecks) {
    await prove(title, () => run(stage));
  }
  return stage;
}

/** Shows of every check that it can fail, in the mesh that has just been found well. */
async function plantAll(stage: Stage, verdicts: Verdicts): Promise<void> {
  const planting = startStretch();
  for (const bench of serviceBenches) {
    await proveFaults(bench, stage, verdicts);
  }
  const { rig } = stage;
  await endCast(stage);
  await rig.startEnvoy(others.secondState);
  const stubs = await startStubs(rig);
  for (const bench of stubBenches) {
    await proveFaults(bench, { rig, stubs }, verdicts);
  }
  say(`planting faults took ${inWords(planting())}`);
}

async function judge(run: Stretch, { prove }: Verdicts): Promise<void> {
  const title = `the mesh up, all checks and down again in ${runSecondsMax} s`;
  const { faults, unjudged } = judgeRunTime(run);
  if (unjudged === undefined) {
    await prove(`${title}: ${inWords(run)}`, async () => faults);
  } else {
    say(`NOT JUDGED  ${title}: ${unjudged}; try again when it is quiet`);
  }
}

/** What istiod is installed with for this chart. */
function readMeshConfig(): SceneOptions["meshConfig"] {
  const path = join(import.meta.dir, "../../../istio/mesh-config.yaml");
  // Values of Istio's own chart: what is under meshConfig is istiod's.
  const values = Bun.YAML.parse(readFileSync(path, "utf8")) as {
    meshConfig: Record<string, unknown>;
  };
  return values.meshConfig;
}

if (import.meta.main) {
  try {
    tell({ result: await proveOnPackets() });
  } catch (error) {
    tell({ error: messageOf(error) });
  }
  // What still runs is the kernel's to end.
  process.exit(0);
}
