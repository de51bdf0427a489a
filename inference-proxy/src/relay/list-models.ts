import { WarmpathError } from "@warmpath/runtime/base";
import type { ListedModel, Models } from "../call/models.ts";

/** `GET /v1/models`: what can be called now. */
export function modelsResponse(models: Models, headers: Record<string, string>): Response {
  return Response.json({ object: "list", data: models.list().map(wireModel) }, { headers });
}

/** `GET /v1/models/{id}`, which vLLM itself does not have. */
export function modelResponse(
  models: Models,
  id: string,
  headers: Record<string, string>,
): Response {
  const model = models.list().find((each) => each.id === id);
  if (model === undefined) {
    throw new WarmpathError("rejected-no-model", `The model \`${id}\` does not exist.`);
  }
  return Response.json(wireModel(model), { headers });
}

function wireModel({ id, contextTokens }: ListedModel) {
  return {
    id,
    object: "model",
    // Engines invent this number at every call; a constant at least does not change.
    created: 0,
    owned_by: "warmpath",
    ...(contextTokens === 0 ? {} : { max_model_len: contextTokens }),
  };
}
