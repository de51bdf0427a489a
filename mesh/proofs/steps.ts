import { composeStep } from "./compose/step.ts";
import type { ProofStep } from "./step.ts";

/** The levels, the quickest first. */
export const proofSteps: readonly ProofStep[] = [composeStep];
