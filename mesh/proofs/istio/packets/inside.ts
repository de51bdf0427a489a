/**
 * A run of the level, from inside its namespaces: `bun inside.ts`, which isolated.ts starts and
 * reads. What is missing is built and fetched first; the time of that is told apart.
 */
import { readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "@warmpath/runtime/base";
import type { ProofResult } from "../../step.ts";
import { buildGoTests } from "../go-tests.ts";
import { canaryChecks } from "./checks/canary.ts";
import { engineChecks } from "./checks/engines.ts";
import { stubChecks } from "./checks/failing-calls.ts";
import { identityChecks } from "./checks/identities.ts";
import { longStreamChecks, sigtermChecks } from "./checks/streams.ts";
import { startStubs } from "./checks/stubs.ts";
import { plaintextChecks, taskChecks } from "./checks/tasks.ts";
import { fetchEnvoy, findEnvoy } from "./envoy.ts";
import type { InsideLine } from "./isolated.ts";
import { renderObjects } from "./rendered.ts";
import type { Rig } from "./rig.ts";
import { inWords, judgeRunTime, runSecondsMax, startStretch } from "./run-time.ts";
import { type SceneOptions, startCast, startScene } from "./scene.ts";
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
  try {
    await proveAll(rig, verdicts);
  } finally {
    await rig.close();
  }
  const run = running();
  say(`the run took ${inWords(run)}; the bar is ${runSecondsMax} s`);
  const { faults, unjudged } = judgeRunTime(run);
  if (unjudged === undefined) {
    await verdicts.prove(`all of it in ${runSecondsMax} s`, async () => faults);
  } else {
    say(`NOT JUDGED  all of it in ${runSecondsMax} s: ${unjudged}; try again when it is quiet`);
  }
  return verdicts.result();
}

async function proveAll(rig: Rig, { prove }: Verdicts): Promise<void> {
  say("the mesh is up");
  const stubs = await startStubs(rig);
  for (const check of stubChecks) {
    await prove(check.title, () => check.run(rig, stubs));
  }
  await Promise.all(stubs.map((stub) => stub.stop()));
  const stage = { rig, cast: await startCast(rig) };
  say("the services are ready");
  // The long streams take their time beside the rest.
  const long = longStreamChecks.map(({ title, run }) => prove(title, () => run(stage)));
  const meanwhile = [...taskChecks, ...plaintextChecks, ...identityChecks, ...canaryChecks];
  for (const { title, run } of meanwhile) {
    await prove(title, () => run(stage));
  }
  await Promise.all(long);
  for (const { title, run } of [...sigtermChecks, ...engineChecks]) {
    await prove(title, () => run(stage));
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
