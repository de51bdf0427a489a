import { compact, parseArguments, untranslatable } from "../json.ts";
import { writeSeal } from "../seal.ts";
import { plainId } from "../tool-ids.ts";
import type { JsonObject, MediaPart, Part, TextPart } from "../types.ts";

/* Content blocks of requests. */

/** Parts as blocks, without empty texts, which the API refuses, and others' thinking. */
export function writeBlocks(parts: readonly Part[], field: string): readonly JsonObject[] {
  return parts.flatMap((part, at) => writeBlock(part, `${field}.${at}`));
}

function writeBlock(part: Part, field: string): readonly JsonObject[] {
  switch (part.kind) {
    case "text":
      return part.text === "" ? [] : [writeInput(part)];
    case "image":
    case "file":
      return [writeInput(part)];
    case "refusal":
      return part.text === "" ? [] : [{ type: "text", text: part.text }];
    case "thinking":
      return part.seal?.origin === "messages"
        ? [{ type: "thinking", thinking: part.text, signature: part.seal.data }]
        : [];
    case "sealed-thinking":
      return part.seal.origin === "messages"
        ? [{ type: "redacted_thinking", data: part.seal.data }]
        : [];
    case "tool-call": {
      const input = parseArguments(part.argumentsJson, `${field}.arguments`);
      const { id, name, cache } = part;
      return [compact({ type: "tool_use", id: toolId(id), name, input, ...writeCache(cache) })];
    }
    case "tool-result": {
      const { callId, content, isError, cache } = part;
      const [only] = content;
      return [
        compact({
          type: "tool_result",
          tool_use_id: toolId(callId),
          content:
            content.length === 1 && only?.kind === "text" && only.cache === undefined
              ? only.text
              : content.filter((each) => each.kind !== "text" || each.text !== "").map(writeInput),
          is_error: isError ? true : undefined,
          ...writeCache(cache),
        }),
      ];
    }
    default:
      throw untranslatable(field, "cannot be translated");
  }
}

/** A block of an answer: its client keeps seals of any provider and sends them back. */
export function writeAnswerBlock(part: Part): JsonObject {
  switch (part.kind) {
    case "text":
    case "refusal":
      return { type: "text", text: part.text };
    case "thinking": {
      const signature = part.seal === undefined ? "" : writeSeal(part.seal, "messages");
      return { type: "thinking", thinking: part.text, signature };
    }
    case "sealed-thinking":
      return { type: "redacted_thinking", data: writeSeal(part.seal, "messages") };
    case "tool-call": {
      const input = parseArguments(part.argumentsJson, "arguments");
      return { type: "tool_use", id: part.id, name: part.name, input };
    }
    default:
      throw untranslatable("content", "holds a part that no answer can have");
  }
}

function writeInput(part: TextPart | MediaPart): JsonObject {
  const mark = writeCache(part.cache);
  if (part.kind === "text") {
    return { type: "text", text: part.text, ...mark };
  }
  const { source, name } = part;
  const written =
    source.kind === "url"
      ? { type: "url", url: source.url }
      : source.kind === "id"
        ? { type: "file", file_id: source.id }
        : { type: "base64", media_type: source.mediaType, data: source.data };
  return part.kind === "image"
    ? { type: "image", source: written, ...mark }
    : compact({ type: "document", source: written, title: name, ...mark });
}

/** Members of a marked thing. */
export function writeCache(cache: JsonObject | undefined): JsonObject {
  return cache === undefined ? {} : { cache_control: cache };
}

/** The API takes letters, digits, `_` and `-`; some engines put dots and colons into theirs. */
function toolId(id: string): string {
  return plainId(id).replaceAll(/[^a-zA-Z0-9_-]/g, "_");
}
