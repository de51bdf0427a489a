import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { InferenceService } from "@warmpath/proto/inference";
import { principalOf } from "@warmpath/runtime";
import { explainRoute, listReplicas } from "./describe-replicas.ts";
import { type DrainMeans, setDraining } from "./drain-replica.ts";
import { embed } from "./embed.ts";
import { explainRequests } from "./explain-requests.ts";
import { type GenerateMeans, generate } from "./generate.ts";

/** The `InferenceService`, as the other services call it. */
export function createInferenceService(
  means: GenerateMeans & DrainMeans,
): ServiceImpl<typeof InferenceService> {
  return {
    generate: (request, context) =>
      generate(means, request, {
        principal: principalOf(context),
        signal: context.signal,
        leftMs: context.timeoutMs(),
      }),
    embed: (request, context) =>
      embed(means, request, { principal: principalOf(context), signal: context.signal }),
    listModels: () => ({
      models: means.models.list().map(({ id, contextTokens, healthyReplicas }) => ({
        name: id,
        contextTokens,
        healthyReplicas,
      })),
    }),
    listReplicas: () => listReplicas(means),
    drainReplica: ({ replica }, context) => ({
      replica: setDraining(means, { replica, isDraining: true, tenant: tenantOf(context) }),
    }),
    resumeReplica: ({ replica }, context) => ({
      replica: setDraining(means, { replica, isDraining: false, tenant: tenantOf(context) }),
    }),
    explainRoute: (request, context) => explainRoute(means, request, principalOf(context)),
    explainRequests: ({ id }, context) =>
      explainRequests(means.call.receipts, tenantOf(context), id),
  };
}

function tenantOf(context: HandlerContext): string {
  return principalOf(context).tenant;
}
