import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  type AgentRegistry,
  ListAgentsResponseSchema,
  RegisterAgentsResponseSchema,
  RegisteredAgentSchema,
} from "@warmpath/proto/state";
import { agentsChangedSubject, principalOf } from "@warmpath/runtime";
import { operatorTenant } from "../log/create-task.ts";
import type { ServiceDeps } from "./service-deps.ts";

/**
 * How long a registration lasts, in ms: workers renew at a third of it, so two renewals may be
 * lost.
 */
const registrationMs = 60_000;

/** `state.v1.AgentRegistry`. What a service registers for itself is offered to every tenant. */
export function createAgentRegistry(deps: ServiceDeps): ServiceImpl<typeof AgentRegistry> {
  return {
    async registerAgents({ agents }, context) {
      const { tenant } = principalOf(context);
      // In one order, so that workers that register the same agents do not deadlock; the last of
      // one name wins.
      const byName = new Map(agents.map((agent) => [agent.name, agent]));
      const sorted = [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
      await deps.store.write.query(
        `insert into agents (tenant, name, payload, expires_at)
         select $1, name, payload, clock_timestamp() + $4 * interval '1 millisecond'
         from unnest($2::text[], $3::bytea[]) as a (name, payload)
         on conflict (tenant, name) do update
           set payload = excluded.payload, expires_at = excluded.expires_at`,
        [
          tenant,
          sorted.map((agent) => agent.name),
          sorted.map((agent) => toBinary(RegisteredAgentSchema, agent)),
          registrationMs,
        ],
      );
      deps.bus.publish(agentsChangedSubject(), new Uint8Array());
      return create(RegisterAgentsResponseSchema, { ttlMs: registrationMs });
    },
    async listAgents(_request, context) {
      const { tenant } = principalOf(context);
      // A tenant's own agent hides the operator's of the same name.
      const rows = await deps.store.read.query<{ payload: Uint8Array }>(
        `select distinct on (name) payload from agents
         where tenant in ($1, $2) and expires_at > clock_timestamp()
         order by name, tenant = $1 desc`,
        [tenant, operatorTenant],
      );
      return create(ListAgentsResponseSchema, {
        agents: rows.map((row) => fromBinary(RegisteredAgentSchema, row.payload)),
      });
    },
  };
}
