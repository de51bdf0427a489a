import { namedEvent } from "../stream-error.ts";
import type { AnswerEvent, Finish, JsonObject, StreamWriter, Usage } from "../types.ts";
import { responseOf, statusOf } from "./answer.ts";
import { createItemWriter } from "./write-item-stream.ts";

/** Writes the events of a streamed response: each part an item, the whole answer in the last. */
export function createWriter(): StreamWriter {
  let head = { id: "", model: "" };
  let finish: Finish | undefined;
  let usage: Usage | undefined;
  let number = 0;
  const event = (type: string, members: JsonObject): string => {
    const text = namedEvent({ type, ...members, sequence_number: number });
    number += 1;
    return text;
  };
  const items = createItemWriter(event);
  const response = () => responseOf({ ...head, output: items.output, finish, usage });

  const write = (told: AnswerEvent): string => {
    switch (told.kind) {
      case "start": {
        head = { id: told.id, model: told.model };
        items.name(told.id);
        const begun = { response: response() };
        return event("response.created", begun) + event("response.in_progress", begun);
      }
      case "open":
        return items.open(told.part);
      case "delta":
        return items.more(told.text);
      case "seal":
        items.seal(told.seal);
        return "";
      case "close":
        return items.close();
      case "usage":
        usage = told.usage;
        return "";
      case "finish":
        finish = told.finish;
        return "";
      case "end":
        finish ??= { kind: "stop" };
        return event(`response.${statusOf(finish)}`, { response: response() });
      case "error": {
        const { message, code, type } = told.error;
        const flat = { code: code ?? type ?? "server_error", message, param: null };
        return event("error", { ...flat, error: { ...flat, type: type ?? "server_error" } });
      }
    }
  };
  return { write };
}
