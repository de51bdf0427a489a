import { arrayOf, isObject, objectOf, textOf } from "../json.ts";
import { createPartOpener } from "../part-opener.ts";
import { parseEvent, readStreamError } from "../stream-error.ts";
import type { AnswerEvent, JsonObject, StreamReader } from "../types.ts";
import { readFinish, readPart, readParts, readUsage } from "./answer.ts";

/**
 * Reads the events of `streamGenerateContent?alt=sse`: each is an answer of its own with what is
 * new. There is no end mark: the end of the bytes is one if a finish reason came before it.
 */
export function createReader(): StreamReader {
  const parts = createPartOpener();
  let id = "";
  let isStarted = false;
  let isFinished = false;
  let count = 0;

  const tellPart = (value: JsonObject): readonly AnswerEvent[] => {
    count += 1;
    const part = readPart(value, `${id}_${count}`);
    switch (part?.kind) {
      case "tool-call":
        return [
          ...parts.open({ kind: "tool-call", id: part.id, name: part.name }),
          { kind: "delta", text: part.argumentsJson },
          ...parts.close(),
        ];
      case "thinking":
        return part.seal === undefined
          ? parts.extend("thinking", part.text)
          : [
              ...parts.extend("thinking", part.text),
              ...(parts.kind === "thinking" ? [{ kind: "seal", seal: part.seal } as const] : []),
              ...parts.close(),
            ];
      case "text":
        return parts.extend("text", part.text);
      default:
        return [];
    }
  };

  const read = (event: JsonObject): readonly AnswerEvent[] => {
    const error = readStreamError(event);
    if (error !== undefined) {
      return [{ kind: "error", error }];
    }
    const events: AnswerEvent[] = [];
    if (!isStarted) {
      isStarted = true;
      id = textOf(event["responseId"]) ?? "";
      events.push({ kind: "start", id, model: textOf(event["modelVersion"]) ?? "" });
    }
    const candidate = objectOf(arrayOf(event["candidates"])[0]);
    events.push(...readParts(candidate).flatMap(tellPart));
    if (isObject(event["usageMetadata"])) {
      events.push({ kind: "usage", usage: readUsage(event["usageMetadata"]) });
    }
    const finish = isFinished ? undefined : readFinish(event);
    if (finish !== undefined) {
      isFinished = true;
      events.push(...parts.close(), { kind: "finish", finish });
    }
    return events;
  };

  return {
    read: (data) => read(parseEvent(data)),
    end: () => (isFinished ? [{ kind: "end" }] : []),
  };
}
