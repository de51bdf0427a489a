import { isObject, objectOf, textOf } from "../json.ts";
import { parseEvent, readStreamError } from "../stream-error.ts";
import type { AnswerEvent, JsonObject, StreamReader } from "../types.ts";
import { readFinish, readUsage } from "./answer.ts";
import { createItemReader } from "./read-item-stream.ts";

/** Reads the events of a streamed response. */
export function createReader(): StreamReader {
  const items = createItemReader();

  const read = (event: JsonObject): readonly AnswerEvent[] => {
    switch (event["type"]) {
      case "response.created": {
        const { id, model } = objectOf(event["response"]);
        return [{ kind: "start", id: textOf(id) ?? "", model: textOf(model) ?? "" }];
      }
      case "response.output_item.added":
        return items.start(objectOf(event["item"]));
      case "response.output_item.done":
        return items.done(objectOf(event["item"]));
      case "response.output_text.delta":
        return items.text("text", event);
      case "response.refusal.delta":
        return items.text("refusal", event);
      case "response.reasoning_text.delta":
      case "response.reasoning_summary_text.delta":
        return items.thinking(event);
      case "response.function_call_arguments.delta":
        return items.json(event);
      case "response.completed":
      case "response.incomplete":
        return [...items.close(), ...readEnd(objectOf(event["response"]))];
      case "response.failed":
        return readFailure(objectOf(event["response"]));
      default:
        return readError(event);
    }
  };

  return {
    read: (data) => (data === "[DONE]" ? [] : read(parseEvent(data))),
    end: () => [],
  };
}

/** An engine that gives a response up calls it completed, with this status: it is no end. */
function readEnd(response: JsonObject): readonly AnswerEvent[] {
  if (response["status"] === "cancelled") {
    return [];
  }
  const { usage } = response;
  return [
    ...(isObject(usage) ? [{ kind: "usage", usage: readUsage(usage) } as const] : []),
    { kind: "finish", finish: readFinish(response) },
    { kind: "end" },
  ];
}

function readFailure(response: JsonObject): readonly AnswerEvent[] {
  const error = readStreamError(response) ?? {
    message: "the response failed",
    type: undefined,
    code: undefined,
  };
  return [{ kind: "error", error }];
}

/** An error of this API is flat: its message stands beside its type, which is just "error". */
function readError(event: JsonObject): readonly AnswerEvent[] {
  const nested = readStreamError(event);
  if (nested !== undefined) {
    return [{ kind: "error", error: nested }];
  }
  if (event["type"] !== "error") {
    return [];
  }
  const message = textOf(event["message"]) ?? "the response failed";
  return [{ kind: "error", error: { message, type: undefined, code: textOf(event["code"]) } }];
}
