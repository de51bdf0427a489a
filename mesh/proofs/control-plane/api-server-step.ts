import { messageOf } from "@warmpath/runtime/base";
import { findHelm, helmMissing } from "../../helm.ts";
import { findGo, goMissing } from "../go.ts";
import type { ProofResult, ProofStep } from "../step.ts";
import { applyChecks, postgresCheck, schedulerCheck } from "./apply-everything.ts";
import { autoscaledReplicasCheck } from "./autoscaled-replicas.ts";
import { areBuilt, buildAll } from "./binaries.ts";
import { startCluster } from "./cluster.ts";
import { gpuSchedulingChecks } from "./gpu-scheduling.ts";
import { assert, type Check, type Lab } from "./lab.ts";
import { definitionModules, readModuleFiles, stageModule } from "./module-files.ts";
import { refusalChecks } from "./refusals.ts";
import { workerDrainChecks } from "./worker-drain.ts";

/** The level that runs a real Kubernetes control plane; see README.md beside this file. */
export const apiServerStep: ProofStep = {
  name: "api-server",
  proves:
    "a real Kubernetes API server takes everything the chart renders, and schedules, evicts and drains it as meant",
  missing: () => goMissing() ?? (findHelm() === undefined ? helmMissing : undefined),
  run: proveAtApiServer,
};

async function proveAtApiServer(say: (line: string) => void): Promise<ProofResult> {
  const go = findGo();
  assert(go !== undefined, "there is no Go");
  if (!areBuilt()) {
    await buildAll(go, say);
  }
  // The definitions' own names for things come before the objects that use them.
  const definitions = definitionModules.map((module) => ({
    name: `${module.path} ${module.version}`,
    yaml: readModuleFiles(go, module),
  }));
  const cluster = await startCluster(anyStorageClass(readModuleFiles(go, stageModule)));
  try {
    const { kubectl } = cluster;
    say("the control plane is up");
    for (const { name, yaml } of definitions) {
      await kubectl.mustApply(yaml);
      say(`defined: ${name}`);
    }
    await kubectl.must(["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]);
    const checks = [
      ...applyChecks(),
      postgresCheck,
      schedulerCheck,
      ...refusalChecks,
      autoscaledReplicasCheck,
      ...workerDrainChecks,
      ...gpuSchedulingChecks,
    ];
    return await runChecks(checks, { cluster, kubectl }, say);
  } finally {
    await cluster.stop();
  }
}

/** kwok's volume stages are for one class of its own; here they serve every class. */
function anyStorageClass(stages: string): string {
  const one = "self.spec.storageClassName == 'kwok-volume'";
  assert(stages.includes(one), "kwok's volume stages are not what they were");
  return stages.replaceAll(one, "has(self.spec.storageClassName)");
}

async function runChecks(
  checks: readonly Check[],
  lab: Lab,
  say: (line: string) => void,
): Promise<ProofResult> {
  const failures: string[] = [];
  for (const check of checks) {
    try {
      await check.run(lab);
      say(`ok: ${check.name}`);
    } catch (error) {
      // A dead server fails every check: its own last words are the finding.
      lab.cluster.assertRunning();
      const sentence = `${check.name}: ${messageOf(error)}`;
      failures.push(sentence);
      say(`NOT ok: ${sentence}`);
    }
  }
  return { passed: checks.length - failures.length, failures };
}
