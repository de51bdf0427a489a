import { alertsStep } from "./alerts/step.ts";
import { composeStep } from "./compose/step.ts";
import { apiServerStep } from "./control-plane/api-server-step.ts";
import { imagesStep } from "./images/step.ts";
import { analyzersStep, simulationStep } from "./istio/levels.ts";
import { packetsStep } from "./istio/packets.ts";
import { renderStep } from "./render/step.ts";
import type { ProofStep } from "./step.ts";

/** The levels, the quickest first. */
export const proofSteps: readonly ProofStep[] = [
  renderStep,
  composeStep,
  alertsStep,
  analyzersStep,
  simulationStep,
  packetsStep,
  apiServerStep,
  imagesStep,
];
