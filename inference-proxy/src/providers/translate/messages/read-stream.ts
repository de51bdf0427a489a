import { isObject, objectOf, textOf } from "../json.ts";
import { readSeal } from "../seal.ts";
import { parseEvent, readStreamError } from "../stream-error.ts";
import type { AnswerEvent, JsonObject, OpenPart, StreamReader } from "../types.ts";
import { isAnswerBlock, readFinish, readUsage } from "./answer.ts";

/**
 * Reads the events of a streamed message. Usage is split between its first and its last event, and
 * the last one repeats only what has changed.
 */
export function createReader(): StreamReader {
  let usage: JsonObject = {};
  let isFinished = false;
  /** False inside a block that has no counterpart, such as what Anthropic's own tools did. */
  let isTold = false;
  /** What a block had at its start and deltas say again, if they say it at all. */
  let given = "";

  const tellUsage = (more: unknown): readonly AnswerEvent[] => {
    if (!isObject(more)) {
      return [];
    }
    const known = Object.entries(more).filter(([, value]) => value !== null);
    usage = { ...usage, ...Object.fromEntries(known) };
    return [{ kind: "usage", usage: readUsage(usage) }];
  };

  const readStart = (block: JsonObject): readonly AnswerEvent[] => {
    isTold = isAnswerBlock(block["type"]);
    if (!isTold) {
      return [];
    }
    const part = openPartOf(block);
    const text = textOf(block["text"]) ?? textOf(block["thinking"]) ?? "";
    // Servers that do not stream arguments give them all at once, here.
    given =
      isObject(block["input"]) && Object.keys(block["input"]).length > 0
        ? JSON.stringify(block["input"])
        : "";
    return [{ kind: "open", part }, ...(text === "" ? [] : [{ kind: "delta", text } as const])];
  };

  const readDelta = (delta: JsonObject): readonly AnswerEvent[] => {
    if (!isTold) {
      return [];
    }
    if (delta["type"] === "signature_delta") {
      const seal = readSeal(textOf(delta["signature"]) ?? "", "messages");
      return seal.data === "" ? [] : [{ kind: "seal", seal }];
    }
    const text =
      textOf(delta["text"]) ?? textOf(delta["partial_json"]) ?? textOf(delta["thinking"]) ?? "";
    given = delta["type"] === "input_json_delta" && text !== "" ? "" : given;
    return text === "" ? [] : [{ kind: "delta", text }];
  };

  const readStop = (): readonly AnswerEvent[] => {
    const late: readonly AnswerEvent[] = given === "" ? [] : [{ kind: "delta", text: given }];
    given = "";
    return isTold ? [...late, { kind: "close" }] : [];
  };

  const read = (event: JsonObject): readonly AnswerEvent[] => {
    switch (event["type"]) {
      case "message_start": {
        const message = objectOf(event["message"]);
        const id = textOf(message["id"]) ?? "";
        const model = textOf(message["model"]) ?? "";
        return [{ kind: "start", id, model }, ...tellUsage(message["usage"])];
      }
      case "content_block_start":
        return readStart(objectOf(event["content_block"]));
      case "content_block_delta":
        return readDelta(objectOf(event["delta"]));
      case "content_block_stop":
        return readStop();
      case "message_delta": {
        const delta = objectOf(event["delta"]);
        const isLast = textOf(delta["stop_reason"]) !== undefined && !isFinished;
        isFinished ||= isLast;
        return [
          ...tellUsage(event["usage"]),
          ...(isLast ? [{ kind: "finish", finish: readFinish(delta) } as const] : []),
        ];
      }
      case "message_stop":
        return isFinished ? [{ kind: "end" }] : [];
      default: {
        const error = readStreamError(event);
        return error === undefined ? [] : [{ kind: "error", error }];
      }
    }
  };

  return {
    // vLLM ends these streams like all its others.
    read: (data) => (data === "[DONE]" ? [] : read(parseEvent(data))),
    end: () => [],
  };
}

function openPartOf(block: JsonObject): OpenPart {
  switch (block["type"]) {
    case "tool_use": {
      const { id, name } = block;
      return { kind: "tool-call", id: textOf(id) ?? "", name: textOf(name) ?? "" };
    }
    case "redacted_thinking":
      return { kind: "sealed-thinking", seal: readSeal(textOf(block["data"]) ?? "", "messages") };
    default:
      return { kind: block["type"] === "thinking" ? "thinking" : "text" };
  }
}
