import type { ServiceImpl } from "@connectrpc/connect";
import type { InferenceService } from "@warmpath/proto/inference";
import { principalOf } from "@warmpath/runtime";
import { type DescribeMeans, explainRoute, listReplicas } from "./describe-replicas.ts";
import { embed } from "./embed.ts";
import { type GenerateMeans, generate } from "./generate.ts";

/** The `InferenceService`, as the other services call it. */
export function createInferenceService(
  means: GenerateMeans & DescribeMeans,
): ServiceImpl<typeof InferenceService> {
  return {
    generate: (request, context) =>
      generate(means, request, { principal: principalOf(context), signal: context.signal }),
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
    explainRoute: (request, context) => explainRoute(means, request, principalOf(context).tenant),
  };
}
