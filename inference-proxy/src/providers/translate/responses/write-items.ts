import { compact, untranslatable } from "../json.ts";
import { urlOfSource } from "../media.ts";
import { plainId } from "../tool-ids.ts";
import type { JsonObject, MediaPart, Part, Seal, TextPart, Turn } from "../types.ts";

/* Turns as items of an input. */

/** A turn's texts are one message; its calls, results and thinking are items of their own. */
export function writeItems(turns: readonly Turn[]): readonly JsonObject[] {
  return turns.flatMap((turn, at) => writeTurn(turn, `input.${at}`));
}

function writeTurn({ role, parts }: Turn, field: string): readonly JsonObject[] {
  const items: JsonObject[] = [];
  let content: JsonObject[] = [];
  const flush = () => {
    if (content.length > 0) {
      items.push({ type: "message", role, content });
      content = [];
    }
  };
  for (const [at, part] of parts.entries()) {
    const piece = writePiece(part, role, `${field}.content.${at}`);
    if (piece === undefined) {
      continue;
    }
    if (piece.isItem) {
      flush();
      items.push(piece.json);
    } else {
      content.push(piece.json);
    }
  }
  flush();
  return items;
}

interface Piece {
  readonly isItem: boolean;
  readonly json: JsonObject;
}

/** Undefined for thinking that only another provider could read. */
function writePiece(part: Part, role: Turn["role"], field: string): Piece | undefined {
  switch (part.kind) {
    case "text":
      return {
        isItem: false,
        json: { type: role === "assistant" ? "output_text" : "input_text", text: part.text },
      };
    case "image":
    case "file":
      return { isItem: false, json: writeInput(part) };
    case "refusal":
      return { isItem: false, json: { type: "refusal", refusal: part.text } };
    case "thinking":
      return reasoningItem(part.seal, part.text);
    case "sealed-thinking":
      return reasoningItem(part.seal, "");
    case "tool-call": {
      const { id, name, argumentsJson } = part;
      const json = { type: "function_call", call_id: plainId(id), name, arguments: argumentsJson };
      return { isItem: true, json };
    }
    case "tool-result": {
      const [only] = part.content;
      const output =
        part.content.length === 1 && only?.kind === "text"
          ? toldError(only.text, part.isError)
          : part.content.map(writeInput);
      const json = { type: "function_call_output", call_id: plainId(part.callId), output };
      return { isItem: true, json };
    }
    default:
      throw untranslatable(field, "cannot be translated");
  }
}

/** There is no member that says that a tool failed, so words do. */
function toldError(text: string, isError: boolean): string {
  return isError && !/^error/i.test(text) ? `Error: ${text}` : text;
}

function reasoningItem(seal: Seal | undefined, text: string): Piece | undefined {
  if (seal?.origin !== "responses") {
    return undefined;
  }
  const at = seal.data.indexOf("/");
  const summary = text === "" ? [] : [{ type: "summary_text", text }];
  const json = {
    type: "reasoning",
    id: seal.data.slice(0, at),
    summary,
    encrypted_content: seal.data.slice(at + 1),
  };
  return { isItem: true, json };
}

function writeInput(part: TextPart | MediaPart): JsonObject {
  if (part.kind === "text") {
    return { type: "input_text", text: part.text };
  }
  const { source, detail, name } = part;
  if (part.kind === "image") {
    const image =
      source.kind === "id" ? { file_id: source.id } : { image_url: urlOfSource(source) };
    return compact({ type: "input_image", ...image, detail: detail ?? "auto" });
  }
  switch (source.kind) {
    case "id":
      return { type: "input_file", file_id: source.id };
    case "url":
      return { type: "input_file", file_url: source.url };
    case "base64":
      return {
        type: "input_file",
        file_data: urlOfSource(source),
        filename: name ?? "document",
      };
  }
}
