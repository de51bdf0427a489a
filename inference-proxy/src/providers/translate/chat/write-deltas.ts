import { writeSeal } from "../seal.ts";
import type { JsonObject, OpenPart, Seal } from "../types.ts";
import { blockFormat } from "./write-assistant.ts";

/** Writes parts as the `delta` of choices. */
export interface DeltaWriter {
  /** The delta that announces a part; undefined where the first text does that. */
  open(part: OpenPart): JsonObject | undefined;
  more(text: string): JsonObject;
  seal(seal: Seal): void;
  /** The delta that hands a part's seal on; undefined for one that has none. */
  close(): JsonObject | undefined;
}

/** One for each stream. */
export function createDeltaWriter(): DeltaWriter {
  let kind: OpenPart["kind"] = "text";
  let thinking = "";
  let seal: Seal | undefined;
  let index = -1;
  return {
    open: (part) => {
      kind = part.kind;
      thinking = "";
      seal = part.kind === "sealed-thinking" ? part.seal : undefined;
      if (part.kind !== "tool-call") {
        return undefined;
      }
      index += 1;
      const { id, name } = part;
      return { tool_calls: [{ index, id, type: "function", function: { name, arguments: "" } }] };
    },
    more: (text) => {
      switch (kind) {
        case "thinking":
          thinking += text;
          return { reasoning: text };
        case "tool-call":
          return { tool_calls: [{ index, function: { arguments: text } }] };
        case "refusal":
          return { refusal: text };
        default:
          return { content: text };
      }
    },
    seal: (given) => {
      seal = given;
    },
    close: () => {
      if (seal === undefined) {
        return undefined;
      }
      const signature = writeSeal(seal, blockFormat);
      seal = undefined;
      switch (kind) {
        case "thinking":
          return { thinking_blocks: [{ type: "thinking", thinking, signature }] };
        case "sealed-thinking":
          return { thinking_blocks: [{ type: "redacted_thinking", data: signature }] };
        default:
          return undefined;
      }
    },
  };
}
