import { compact } from "../json.ts";
import { dataEvent } from "../stream-error.ts";
import type { AnswerEvent, JsonObject, StreamError, StreamWriter, Usage } from "../types.ts";
import { writeFinish, writeUsage } from "./answer.ts";
import { createDeltaWriter } from "./write-deltas.ts";

/**
 * Writes `chat.completion.chunk` events, usage in one of its own before `[DONE]`. The role comes
 * with the first content, so that an answer which fails before it has said nothing yet.
 */
export function createWriter(): StreamWriter {
  const deltas = createDeltaWriter();
  let head = { id: "", model: "" };
  let isSilent = true;
  let usage: Usage | undefined;

  const chunk = (members: JsonObject): string =>
    dataEvent({
      id: head.id,
      object: "chat.completion.chunk",
      created: 0,
      model: head.model,
      ...members,
    });
  const choice = (delta: JsonObject | undefined, finishReason: string | null = null): string => {
    if (delta === undefined) {
      return "";
    }
    const role = isSilent ? { role: "assistant" } : {};
    isSilent = false;
    const choices = [{ index: 0, delta: { ...role, ...delta }, finish_reason: finishReason }];
    return chunk({ choices });
  };

  const write = (event: AnswerEvent): string => {
    switch (event.kind) {
      case "start":
        head = { id: event.id, model: event.model };
        return "";
      case "open":
        return choice(deltas.open(event.part));
      case "delta":
        return choice(deltas.more(event.text));
      case "seal":
        deltas.seal(event.seal);
        return "";
      case "close":
        return choice(deltas.close());
      case "usage":
        usage = event.usage;
        return "";
      case "finish":
        return choice({}, writeFinish(event.finish));
      case "end": {
        const last = usage === undefined ? "" : chunk({ choices: [], usage: writeUsage(usage) });
        return `${last}data: [DONE]\n\n`;
      }
      case "error":
        return errorEvent(event.error);
    }
  };
  return { write };
}

function errorEvent({ message, type = "server_error", code }: StreamError): string {
  return dataEvent({ error: compact({ message, type, param: null, code: code ?? null }) });
}
