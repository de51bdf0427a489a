import type { AgentRegistry } from "@warmpath/proto/state";
import { type ServiceClient, servicePrincipal } from "@warmpath/runtime";
import { type Clock, type Logger, messageOf } from "@warmpath/runtime/base";
import type { OrchestratorMetrics } from "../metrics.ts";
import { type AgentSpec, hashOfSpec } from "./agent-spec.ts";
import type { AgentCatalog } from "./catalog.ts";

/** Pause before a failed registration is tried again, in ms. */
const retryMs = 1_000;
/** Renewals within the life of a registration: two may be lost. */
const renewalsPerLife = 3;
/** Agents that never resolve are tried again at least this often, in ms. */
const renewMsMax = 30_000;

/** Registers the catalog's agents and renews them until the signal aborts; resolves then. */
export async function keepRegistered(
  deps: {
    readonly catalog: AgentCatalog;
    readonly registry: ServiceClient<typeof AgentRegistry>;
    readonly clock: Clock;
    readonly log: Logger;
    readonly metrics: OrchestratorMetrics;
    readonly onRegistered?: () => void;
  },
  signal: AbortSignal,
): Promise<void> {
  const { catalog, registry, clock, log, metrics } = deps;
  while (!signal.aborted) {
    let pauseMs = retryMs;
    try {
      await catalog.resolve();
      const agents = catalog.all().map(registrationOf);
      const principal = servicePrincipal("orchestrator");
      const { ttlMs } = await registry.registerAgents({ agents }, { principal, signal });
      metrics.agentsRegistered.set(agents.length);
      deps.onRegistered?.();
      pauseMs = Math.min(renewMsMax, Math.max(retryMs, ttlMs / renewalsPerLife));
    } catch (error) {
      if (!signal.aborted) log.warn("agents could not be registered", { error: messageOf(error) });
    }
    await clock.sleep(pauseMs, signal).catch(() => undefined);
  }
}

function registrationOf(spec: AgentSpec) {
  return {
    name: spec.name,
    description: spec.description,
    tools: spec.tools.map(({ name }) => name),
    subAgents: [...spec.subAgents],
    specHash: Buffer.from(hashOfSpec(spec)).toString("hex"),
  };
}
