import { isObject, parseExactJson, textOf } from "./translate/index.ts";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/**
 * The body with the provider's own name for its model; `models` are theirs by ours. The bytes stay
 * as they are, unread, where no model has another name.
 */
export function withModel(
  body: Uint8Array<ArrayBuffer>,
  models: ReadonlyMap<string, string>,
): Uint8Array<ArrayBuffer> {
  if (!hasAlias(models)) {
    return body;
  }
  const parsed = parseExactJson(decoder.decode(body));
  const ours = isObject(parsed) ? (textOf(parsed["model"]) ?? "") : "";
  const theirs = models.get(ours) ?? ours;
  return theirs === ours || !isObject(parsed)
    ? body
    : encoder.encode(JSON.stringify({ ...parsed, model: theirs }));
}

function hasAlias(models: ReadonlyMap<string, string>): boolean {
  for (const [ours, theirs] of models) {
    if (ours !== theirs) {
      return true;
    }
  }
  return false;
}
