/** The orchestrator's door: what an agent run is. */

export { type OrchestratorConfig, orchestratorOptions } from "./config.ts";
export { type Orchestrator, type OrchestratorDeps, startOrchestrator } from "./main.ts";
export { createOrchestratorMetrics } from "./metrics.ts";
