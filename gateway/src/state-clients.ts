import type { Transport } from "@connectrpc/connect";
import { AgentRegistry, KeyService, TaskService } from "@warmpath/proto/state";
import { createServiceClient, type PrincipalSigner, type Tracing } from "@warmpath/runtime";

/**
 * The services of `state` that the gateway calls; everything it knows comes from them or from the
 * bus.
 */
export type StateClients = ReturnType<typeof createStateClients>;

/** Clients over one transport, in memory or gRPC: the caller cannot tell. */
export function createStateClients(
  transport: Transport,
  options: { signer: PrincipalSigner; tracing: Tracing; timeoutMs: number },
) {
  return {
    tasks: createServiceClient(TaskService, transport, options),
    agents: createServiceClient(AgentRegistry, transport, options),
    keys: createServiceClient(KeyService, transport, options),
  };
}
