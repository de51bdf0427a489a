import { arrayOf, brokenProtocol, isObject, numberOf, objectOf, textOf } from "../json.ts";
import { createPartOpener } from "../part-opener.ts";
import { readSeal } from "../seal.ts";
import { parseEvent, readStreamError } from "../stream-error.ts";
import type { AnswerEvent, JsonObject, StreamReader } from "../types.ts";
import { readFinish, readUsage } from "./answer.ts";
import { blockFormat } from "./write-assistant.ts";

/**
 * Reads `chat.completion.chunk` events. Parts are not told apart in this format: one begins where
 * another kind of delta, or the index of another tool call, comes.
 */
export function createReader(): StreamReader {
  const parts = createPartOpener();
  let isStarted = false;
  let isFinished = false;
  let callIndex = -1;

  const readCall = (value: unknown): readonly AnswerEvent[] => {
    const call = objectOf(value);
    const called = objectOf(call["function"]);
    const index = numberOf(call["index"]) ?? callIndex;
    if (index < callIndex) {
      // Parts do not overlap in any other format, and no engine known to us does it.
      throw brokenProtocol("went back to a tool call that it had left");
    }
    const events: AnswerEvent[] = [];
    if (index > callIndex) {
      callIndex = index;
      const id = textOf(call["id"]) ?? `call_${index}`;
      events.push(...parts.open({ kind: "tool-call", id, name: textOf(called["name"]) ?? "" }));
    }
    events.push(...deltaOf(textOf(called["arguments"])));
    return events;
  };

  const readDelta = (delta: JsonObject): readonly AnswerEvent[] => [
    ...parts.extend("thinking", textOf(delta["reasoning"]) ?? textOf(delta["reasoning_content"])),
    ...arrayOf(delta["thinking_blocks"]).flatMap((block) => readBlock(objectOf(block))),
    ...parts.extend("text", textOf(delta["content"])),
    ...parts.extend("refusal", textOf(delta["refusal"])),
    ...arrayOf(delta["tool_calls"]).flatMap(readCall),
  ];

  /** A block proves the thinking that was streamed before it. */
  const readBlock = (block: JsonObject): readonly AnswerEvent[] => {
    if (block["type"] === "redacted_thinking") {
      const seal = readSeal(textOf(block["data"]) ?? "", blockFormat);
      return [...parts.open({ kind: "sealed-thinking", seal }), ...parts.close()];
    }
    const signature = textOf(block["signature"]);
    const proof: AnswerEvent[] =
      signature === undefined ? [] : [{ kind: "seal", seal: readSeal(signature, blockFormat) }];
    return parts.kind === "thinking"
      ? [...proof, ...parts.close()]
      : [...parts.extend("thinking", textOf(block["thinking"])), ...proof, ...parts.close()];
  };

  return {
    read: (data) => {
      if (data === "[DONE]") {
        // Without a finish reason it is no end, whatever it says.
        return isFinished ? [{ kind: "end" }] : [];
      }
      const chunk = parseEvent(data);
      const error = readStreamError(chunk);
      if (error !== undefined) {
        return [{ kind: "error", error }];
      }
      const events: AnswerEvent[] = [];
      if (!isStarted) {
        isStarted = true;
        const { id, model } = chunk;
        events.push({ kind: "start", id: textOf(id) ?? "", model: textOf(model) ?? "" });
      }
      const choice = objectOf(arrayOf(chunk["choices"])[0]);
      events.push(...readDelta(objectOf(choice["delta"])));
      const reason = textOf(choice["finish_reason"]);
      // An engine that gives a request up calls it "abort": the answer is not finished.
      if (reason !== undefined && reason !== "abort" && !isFinished) {
        isFinished = true;
        const finish = readFinish(reason, textOf(choice["stop_reason"]));
        events.push(...parts.close(), { kind: "finish", finish });
      }
      if (isObject(chunk["usage"])) {
        events.push({ kind: "usage", usage: readUsage(chunk["usage"]) });
      }
      return events;
    },
    end: () => [],
  };
}

function deltaOf(text: string | undefined): readonly AnswerEvent[] {
  return text === undefined || text === "" ? [] : [{ kind: "delta", text }];
}
