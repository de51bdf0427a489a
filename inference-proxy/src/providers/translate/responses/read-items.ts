import { arrayOf, objectOf, textOf, untranslatable } from "../json.ts";
import { sourceOfUrl } from "../media.ts";
import { readSeal } from "../seal.ts";
import type { JsonObject, MediaPart, MediaSource, Part, TextPart, Turn } from "../types.ts";

/* Items of an input or an output. Those of one step of the model become one turn. */

/** Items as turns. */
export function readItems(items: readonly unknown[], field: string): readonly Turn[] {
  const turns: { role: Turn["role"]; parts: Part[] }[] = [];
  // Of the last turn: what has joined it is not looked at again.
  let isLastOpen = false;
  for (const [at, value] of items.entries()) {
    const turn = readItem(objectOf(value), `${field}.${at}`);
    const last = turns.at(-1);
    const isOpen = turn.role === "assistant" || turn.parts.every(isResult);
    if (last?.role === turn.role && isOpen && isLastOpen) {
      for (const part of turn.parts) {
        last.parts.push(part);
      }
    } else {
      turns.push({ role: turn.role, parts: [...turn.parts] });
      isLastOpen = isOpen;
    }
  }
  return turns;
}

function isResult({ kind }: Part): boolean {
  return kind === "tool-result";
}

function readItem(item: JsonObject, field: string): Turn {
  switch (item["type"] ?? "message") {
    case "message":
      return { role: roleOf(item, field), parts: readContent(item["content"], `${field}.content`) };
    case "reasoning":
      return { role: "assistant", parts: readReasoning(item) };
    case "function_call":
      return { role: "assistant", parts: [readCall(item)] };
    case "function_call_output":
      return {
        role: "user",
        parts: [
          {
            kind: "tool-result",
            callId: textOf(item["call_id"]) ?? "",
            content: readInputs(item["output"], `${field}.output`),
            isError: false,
          },
        ],
      };
    default:
      throw untranslatable(`${field}.type`, "has no counterpart in the API that serves this model");
  }
}

function roleOf(item: JsonObject, field: string): Turn["role"] {
  switch (item["role"]) {
    case "system":
    case "developer":
      return "system";
    case "user":
    case "assistant":
      return item["role"];
    default:
      throw untranslatable(`${field}.role`, "must be system, developer, user or assistant");
  }
}

function readContent(content: unknown, field: string): readonly Part[] {
  if (typeof content === "string") {
    return [{ kind: "text", text: content }];
  }
  return arrayOf(content).map((value, at) => {
    const part = objectOf(value);
    return part["type"] === "refusal"
      ? { kind: "refusal", text: textOf(part["refusal"]) ?? "" }
      : readInput(part, `${field}.${at}`);
  });
}

function readInputs(content: unknown, field: string): readonly (TextPart | MediaPart)[] {
  return typeof content === "string"
    ? [{ kind: "text", text: content }]
    : arrayOf(content).map((value, at) => readInput(objectOf(value), `${field}.${at}`));
}

function readInput(part: JsonObject, field: string): TextPart | MediaPart {
  switch (part["type"]) {
    case "input_text":
    case "output_text":
    case "text":
      return { kind: "text", text: textOf(part["text"]) ?? "" };
    case "input_image": {
      const source = readSource(part["file_id"], part["image_url"], `${field}.image_url`);
      const detail = textOf(part["detail"]);
      // The default, which this API wants said.
      return { kind: "image", source, detail: detail === "auto" ? undefined : detail };
    }
    case "input_file": {
      const url = part["file_url"] ?? part["file_data"];
      const source = readSource(part["file_id"], url, `${field}.file_data`);
      return { kind: "file", source, name: textOf(part["filename"]) };
    }
    default:
      throw untranslatable(`${field}.type`, "has no counterpart in the API that serves this model");
  }
}

function readSource(id: unknown, url: unknown, field: string): MediaSource {
  if (typeof id === "string") {
    return { kind: "id", id };
  }
  if (typeof url !== "string") {
    throw untranslatable(field, "is missing");
  }
  return sourceOfUrl(url);
}

/** A call of an output, or of an input that repeats it. */
export function readCall(item: JsonObject): Part {
  return {
    kind: "tool-call",
    id: textOf(item["call_id"]) ?? "",
    name: textOf(item["name"]) ?? "",
    argumentsJson: textOf(item["arguments"]) ?? "",
  };
}

/** The item's id is part of the seal: it has to be sent back with it. */
export function readReasoning(item: JsonObject): readonly Part[] {
  const shown = [...arrayOf(item["summary"]), ...arrayOf(item["content"])];
  const text = shown.map((part) => textOf(objectOf(part)["text"]) ?? "").join("\n\n");
  const sealed = textOf(item["encrypted_content"]);
  const seal = sealed === undefined ? undefined : sealOf(textOf(item["id"]) ?? "", sealed);
  if (text === "") {
    return seal === undefined ? [] : [{ kind: "sealed-thinking", seal }];
  }
  return [{ kind: "thinking", text, seal }];
}

/** A seal of OpenAI's is an item's id and its content; another's stands alone. */
export function sealOf(id: string, sealed: string) {
  const seal = readSeal(sealed, "responses");
  return seal.origin === "responses" ? { ...seal, data: `${id}/${seal.data}` } : seal;
}
