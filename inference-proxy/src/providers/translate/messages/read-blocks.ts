import { arrayOf, isObject, objectOf, textOf, untranslatable } from "../json.ts";
import { readSeal } from "../seal.ts";
import type { JsonObject, MediaPart, MediaSource, Part, TextPart } from "../types.ts";

/* Content blocks of requests and answers. */

/** Content as parts: a text alone, or a list of blocks. */
export function readBlocks(content: unknown, field: string): readonly Part[] {
  if (typeof content === "string") {
    return [{ kind: "text", text: content }];
  }
  return arrayOf(content).map((block, at) => readBlock(objectOf(block), `${field}.${at}`));
}

function readBlock(block: JsonObject, field: string): Part {
  switch (block["type"]) {
    case "text":
    case "image":
    case "document":
      return readInput(block, field);
    case "thinking": {
      const signature = textOf(block["signature"]) ?? "";
      return {
        kind: "thinking",
        text: textOf(block["thinking"]) ?? "",
        seal: signature === "" ? undefined : readSeal(signature, "messages"),
      };
    }
    case "redacted_thinking":
      return { kind: "sealed-thinking", seal: readSeal(textOf(block["data"]) ?? "", "messages") };
    case "tool_use":
      return {
        kind: "tool-call",
        id: textOf(block["id"]) ?? "",
        name: textOf(block["name"]) ?? "",
        argumentsJson: JSON.stringify(block["input"] ?? {}),
        ...cacheOf(block),
      };
    case "tool_result":
      return {
        kind: "tool-result",
        callId: textOf(block["tool_use_id"]) ?? "",
        content: readResult(block["content"], `${field}.content`),
        isError: block["is_error"] === true,
        ...cacheOf(block),
      };
    default:
      throw untranslatable(`${field}.type`, "has no counterpart in the API that serves this model");
  }
}

function readResult(content: unknown, field: string): readonly (TextPart | MediaPart)[] {
  return typeof content === "string"
    ? [{ kind: "text", text: content }]
    : arrayOf(content).map((block, at) => readInput(objectOf(block), `${field}.${at}`));
}

function readInput(block: JsonObject, field: string): TextPart | MediaPart {
  const source = objectOf(block["source"]);
  switch (block["type"]) {
    case "text":
      return { kind: "text", text: textOf(block["text"]) ?? "", ...cacheOf(block) };
    case "image":
      return { kind: "image", source: readSource(source, field), ...cacheOf(block) };
    case "document":
      return source["type"] === "text"
        ? { kind: "text", text: textOf(source["data"]) ?? "", ...cacheOf(block) }
        : {
            kind: "file",
            source: readSource(source, field),
            name: textOf(block["title"]),
            ...cacheOf(block),
          };
    default:
      throw untranslatable(`${field}.type`, "has no counterpart in the API that serves this model");
  }
}

function readSource(source: JsonObject, field: string): MediaSource {
  switch (source["type"]) {
    case "base64":
      return {
        kind: "base64",
        mediaType: textOf(source["media_type"]) ?? "",
        data: textOf(source["data"]) ?? "",
      };
    case "url":
      return { kind: "url", url: textOf(source["url"]) ?? "" };
    case "file":
      return { kind: "id", id: textOf(source["file_id"]) ?? "" };
    default:
      throw untranslatable(`${field}.source.type`, "must be base64 or url");
  }
}

/** The mark of a block or a tool. */
export function cacheOf(value: JsonObject): { readonly cache?: JsonObject } {
  const mark = value["cache_control"];
  return isObject(mark) ? { cache: mark } : {};
}
