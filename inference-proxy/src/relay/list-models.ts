import { WarmpathError } from "@warmpath/runtime/base";
import type { ListedModel, Models } from "../call/models.ts";
import type { Dialect } from "../formats/index.ts";

/** Anthropic's way to say that nobody knows when a model was released. */
const unknownTime = "1970-01-01T00:00:00Z";

/** `GET /v1/models`: what can be called now. */
export function modelsResponse(
  models: Models,
  dialect: Dialect,
  headers: Record<string, string>,
): Response {
  const listed = models.list();
  const data = listed.map((model) => wireModel(model, dialect));
  return Response.json(
    dialect === "openai"
      ? { object: "list", data }
      : {
          data,
          has_more: false,
          first_id: listed.at(0)?.id ?? null,
          last_id: listed.at(-1)?.id ?? null,
        },
    { headers },
  );
}

/** `GET /v1/models/{id}`, which vLLM itself does not have. */
export function modelResponse(
  models: Models,
  id: string,
  dialect: Dialect,
  headers: Record<string, string>,
): Response {
  const model = models.list().find((each) => each.id === id);
  if (model === undefined) {
    throw new WarmpathError("rejected-no-model", `The model \`${id}\` does not exist.`);
  }
  return Response.json(wireModel(model, dialect), { headers });
}

function wireModel({ id, contextTokens }: ListedModel, dialect: Dialect) {
  if (dialect === "anthropic") {
    return { type: "model", id, display_name: id, created_at: unknownTime };
  }
  return {
    id,
    object: "model",
    // Engines invent this number at every call; a constant at least does not change.
    created: 0,
    owned_by: "warmpath",
    ...(contextTokens === 0 ? {} : { max_model_len: contextTokens }),
  };
}
