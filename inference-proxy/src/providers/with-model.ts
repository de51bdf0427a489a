import { isObject, parseExactJson, textOf } from "./translate/index.ts";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/**
 * The body with the provider's own name for its model, and that name. Without another name the
 * bytes are the same; `models` are theirs by ours.
 */
export function withModel(
  body: Uint8Array<ArrayBuffer>,
  models: ReadonlyMap<string, string>,
): { readonly body: Uint8Array<ArrayBuffer>; readonly theirModel: string } {
  const parsed = parseExactJson(decoder.decode(body));
  const ours = isObject(parsed) ? (textOf(parsed["model"]) ?? "") : "";
  const theirModel = models.get(ours) ?? ours;
  return theirModel === ours || !isObject(parsed)
    ? { body, theirModel }
    : { body: encoder.encode(JSON.stringify({ ...parsed, model: theirModel })), theirModel };
}
