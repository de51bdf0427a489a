import { writeSeal } from "../seal.ts";
import { namedEvent } from "../stream-error.ts";
import type { AnswerEvent, Finish, OpenPart, StreamWriter, Usage } from "../types.ts";
import { messageId, writeFinish, writeUsage } from "./answer.ts";

/**
 * Writes the events of a streamed message. The last delta carries usage, which other formats tell
 * after the finish, so it waits for the end.
 */
export function createWriter(): StreamWriter {
  let index = -1;
  let open: OpenPart["kind"] | undefined;
  let finish: Finish | undefined;
  let usage: Usage | undefined;

  const blockStart = (part: OpenPart): string => {
    index += 1;
    open = part.kind;
    return namedEvent({ type: "content_block_start", index, content_block: emptyBlock(part) });
  };
  const blockDelta = (delta: object): string =>
    namedEvent({ type: "content_block_delta", index, delta });

  const onDelta = (text: string): string => {
    switch (open) {
      case "thinking":
        return blockDelta({ type: "thinking_delta", thinking: text });
      case "tool-call":
        return blockDelta({ type: "input_json_delta", partial_json: text });
      default:
        return blockDelta({ type: "text_delta", text });
    }
  };

  const write = (event: AnswerEvent): string => {
    switch (event.kind) {
      case "start":
        return namedEvent({ type: "message_start", message: emptyMessage(event) });
      case "open":
        return blockStart(event.part);
      case "delta":
        return onDelta(event.text);
      case "seal":
        return open === "thinking"
          ? blockDelta({ type: "signature_delta", signature: writeSeal(event.seal, "messages") })
          : "";
      case "close":
        return namedEvent({ type: "content_block_stop", index });
      case "usage":
        usage = event.usage;
        return "";
      case "finish":
        finish = event.finish;
        return "";
      case "end":
        return (
          namedEvent({
            type: "message_delta",
            delta: writeFinish(finish ?? { kind: "stop" }),
            usage: usage === undefined ? { output_tokens: 0 } : writeUsage(usage),
          }) + namedEvent({ type: "message_stop" })
        );
      case "error": {
        const { message, type = "api_error" } = event.error;
        return namedEvent({ type: "error", error: { type, message } });
      }
    }
  };
  return { write };
}

function emptyMessage({ id, model }: { readonly id: string; readonly model: string }): object {
  return {
    id: messageId(id),
    type: "message",
    role: "assistant",
    model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    // Told in full at the end, where it is known.
    usage: { input_tokens: 0, output_tokens: 0 },
  };
}

function emptyBlock(part: OpenPart): object {
  switch (part.kind) {
    case "text":
    case "refusal":
      return { type: "text", text: "" };
    case "thinking":
      return { type: "thinking", thinking: "", signature: "" };
    case "sealed-thinking":
      return { type: "redacted_thinking", data: writeSeal(part.seal, "messages") };
    case "tool-call":
      return { type: "tool_use", id: part.id, name: part.name, input: {} };
  }
}
