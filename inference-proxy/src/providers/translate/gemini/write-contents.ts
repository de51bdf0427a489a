import { compact, parseArguments, untranslatable } from "../json.ts";
import { plainId, signatureOfId } from "../tool-ids.ts";
import type { JsonObject, MediaPart, Part, ToolResultPart, Turn } from "../types.ts";

/* Turns as contents. A result names the function, so the calls before it are remembered. */

/**
 * What Google documents for calls that another model made: models from Gemini 3 on refuse a step
 * whose first call has no signature.
 */
const unsigned = "skip_thought_signature_validator";
const knowsNoSignatures = /^gemini-[12][.-]/;

/** Contents for this model. */
export function writeContents(turns: readonly Turn[], model: string): readonly JsonObject[] {
  const names = new Map<string, string>();
  const needsSignature = !knowsNoSignatures.test(model);
  return turns.flatMap(({ role, parts }, at): readonly JsonObject[] => {
    let isFirstCall = true;
    const written = parts.flatMap((part, index): readonly JsonObject[] => {
      const field = `contents.${at}.parts.${index}`;
      if (part.kind !== "tool-call") {
        return writePart(part, names, field);
      }
      names.set(plainId(part.id), part.name);
      const signature =
        signatureOfId(part.id) ?? (isFirstCall && needsSignature ? unsigned : undefined);
      isFirstCall = false;
      const args = parseArguments(part.argumentsJson, `${field}.arguments`);
      const functionCall = { id: plainId(part.id), name: part.name, args };
      return [compact({ functionCall, thoughtSignature: signature })];
    });
    return written.length === 0
      ? []
      : [{ role: role === "assistant" ? "model" : "user", parts: written }];
  });
}

function writePart(
  part: Part,
  names: ReadonlyMap<string, string>,
  field: string,
): readonly JsonObject[] {
  switch (part.kind) {
    case "text":
    case "refusal":
      return part.text === "" ? [] : [{ text: part.text }];
    case "image":
    case "file":
      return [writeMedia(part, field)];
    case "thinking":
      return part.seal?.origin === "gemini"
        ? [{ text: part.text, thought: true, thoughtSignature: part.seal.data }]
        : [];
    case "tool-result":
      return writeResult(part, names, field);
    default:
      // Sealed thinking of another provider, which only that one could read.
      return [];
  }
}

function writeResult(
  result: ToolResultPart,
  names: ReadonlyMap<string, string>,
  field: string,
): readonly JsonObject[] {
  const id = plainId(result.callId);
  const name = names.get(id);
  if (name === undefined) {
    throw untranslatable(`${field}.tool_call_id`, "belongs to no call before it");
  }
  const texts = result.content.flatMap((part) => (part.kind === "text" ? [part.text] : []));
  const text = texts.join("\n");
  const response = result.isError ? { error: text } : { output: text };
  const media = result.content.flatMap((part) =>
    part.kind === "text" ? [] : [writeMedia(part, field)],
  );
  return [{ functionResponse: { id, name, response } }, ...media];
}

function writeMedia({ source }: MediaPart, field: string): JsonObject {
  switch (source.kind) {
    case "base64":
      return { inlineData: { mimeType: source.mediaType, data: source.data } };
    case "url":
      return { fileData: { fileUri: source.url } };
    case "id":
      throw untranslatable(`${field}.source`, "names a file of another provider");
  }
}
