import { findHelm, helmMissing } from "../../helm.ts";
import type { ProofResult, ProofStep } from "../step.ts";
import { inTemporaryFolder } from "../temporary-folder.ts";
import { goTestsMissing, runGoTests } from "./go-tests.ts";
import { envoyMissing, findEnvoy } from "./packets/envoy.ts";
import { canRender, renderForGo } from "./render.ts";

/** Every analyzer of Istio over the rendered chart, and over faults planted in it. */
export const analyzersStep: ProofStep = {
  name: "analyzers",
  proves: "all of Istio's analyzers find nothing, and find a planted fault of each kind",
  missing,
  run: async (say) => prove(["TestAnalyzers", "TestPlantedFaults"], say),
};

/** istiod's own generator over the rendered chart, held against the matrix. */
export const simulationStep: ProofStep = {
  name: "simulation",
  proves: "what istiod makes of the chart is the matrix, and no policy can go or widen unseen",
  missing,
  run: async (say) => {
    const tests = [
      ...["TestSimulation", "TestMutations", "TestMeshMutations"],
      ...["TestAmbient", "TestAmbientMutations"],
    ];
    const envoy = findEnvoy();
    if (envoy === undefined) {
      say(`what is generated is not shown to an Envoy: ${envoyMissing}`);
      return prove(tests, say);
    }
    return prove([...tests, "TestEnvoyAccepts"], say, { ENVOY: envoy });
  },
};

function missing(): string | undefined {
  if (!canRender()) {
    return "the chart has no policy yet";
  }
  return goTestsMissing() ?? (findHelm() === undefined ? helmMissing : undefined);
}

async function prove(
  tests: readonly string[],
  say: (line: string) => void,
  env: Readonly<Record<string, string>> = {},
): Promise<ProofResult> {
  return inTemporaryFolder("istio", async (folder) => {
    const dropped = renderForGo(folder);
    say(`rendered; of no interest to istiod: ${dropped.join(", ") || "nothing"}`);
    return await runGoTests(tests, { ...env, RENDERED: folder }, say);
  });
}
