import { arrayOf, objectOf, textOf } from "../json.ts";
import { createPartOpener } from "../part-opener.ts";
import type { AnswerEvent, JsonObject } from "../types.ts";
import { sealOf } from "./read-items.ts";

/** Reads the items of a streamed response. */
export interface ItemReader {
  start(item: JsonObject): readonly AnswerEvent[];
  /** A delta of text. */
  text(kind: "text" | "refusal", event: JsonObject): readonly AnswerEvent[];
  /** A delta of thinking, of a summary or of the thing itself. */
  thinking(event: JsonObject): readonly AnswerEvent[];
  /** A delta of a call's arguments. */
  json(event: JsonObject): readonly AnswerEvent[];
  /**
   * The whole item repeats what its deltas told; for servers that stream less it counts where
   * nothing was told.
   */
  done(item: JsonObject): readonly AnswerEvent[];
  close(): readonly AnswerEvent[];
}

/** One for each stream. */
export function createItemReader(): ItemReader {
  const parts = createPartOpener();
  let isTold = false;
  let summaryIndex: unknown;

  const reasoningDone = (item: JsonObject): readonly AnswerEvent[] => {
    const shown = [...arrayOf(item["summary"]), ...arrayOf(item["content"])];
    const untold = shown.map((part) => textOf(objectOf(part)["text"]) ?? "").join("\n\n");
    const told = isTold ? [] : parts.extend("thinking", untold);
    const sealed = textOf(item["encrypted_content"]);
    if (sealed === undefined) {
      return [...told, ...parts.close()];
    }
    const seal = sealOf(textOf(item["id"]) ?? "", sealed);
    return parts.kind === "thinking"
      ? [...told, { kind: "seal", seal }, ...parts.close()]
      : [...parts.open({ kind: "sealed-thinking", seal }), ...parts.close()];
  };

  const messageDone = (item: JsonObject): readonly AnswerEvent[] => {
    const untold = isTold ? [] : arrayOf(item["content"]).map(objectOf);
    const told = untold.flatMap((content) => [
      ...parts.extend("text", textOf(content["text"])),
      ...parts.extend("refusal", textOf(content["refusal"])),
    ]);
    return [...told, ...parts.close()];
  };

  return {
    start: (item) => {
      isTold = false;
      if (item["type"] !== "function_call") {
        return parts.close();
      }
      const { call_id, name } = item;
      return parts.open({ kind: "tool-call", id: textOf(call_id) ?? "", name: textOf(name) ?? "" });
    },
    text: (kind, event) => {
      isTold = true;
      return parts.extend(kind, textOf(event["delta"]));
    },
    thinking: (event) => {
      isTold = true;
      const index = event["summary_index"];
      const isNext = parts.kind === "thinking" && index !== summaryIndex;
      summaryIndex = index;
      const gap: readonly AnswerEvent[] = isNext ? [{ kind: "delta", text: "\n\n" }] : [];
      return [...gap, ...parts.extend("thinking", textOf(event["delta"]))];
    },
    json: (event) => {
      isTold = true;
      return deltaOf(textOf(event["delta"]));
    },
    done: (item) => {
      switch (item["type"]) {
        case "function_call":
          return [...(isTold ? [] : deltaOf(textOf(item["arguments"]))), ...parts.close()];
        case "reasoning":
          return reasoningDone(item);
        case "message":
          return messageDone(item);
        default:
          return [];
      }
    },
    close: () => parts.close(),
  };
}

function deltaOf(text: string | undefined): readonly AnswerEvent[] {
  return text === undefined || text === "" ? [] : [{ kind: "delta", text }];
}
