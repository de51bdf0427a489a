import type { JsonObject, OpenPart, Seal } from "../types.ts";
import { callItem, messageItem, reasoningItem, textContent } from "./write-output.ts";

/** Writes one item after the other, and keeps what is done for the last event. */
export interface ItemWriter {
  readonly output: readonly JsonObject[];
  /** Ids of items are made of the answer's. */
  name(answerId: string): void;
  open(part: OpenPart): string;
  more(text: string): string;
  seal(seal: Seal): void;
  close(): string;
}

type WriteEvent = (type: string, members: JsonObject) => string;

/** One for each stream; `event` writes and numbers an event. */
export function createItemWriter(event: WriteEvent): ItemWriter {
  const output: JsonObject[] = [];
  let answerId = "";
  let part: OpenPart = { kind: "text" };
  let text = "";
  let seal: Seal | undefined;

  const place = () => `${answerId}_${output.length}`;
  /** The item as it is now; `isDone` once nothing more comes. */
  const item = (isDone: boolean): JsonObject => {
    switch (part.kind) {
      case "tool-call": {
        const { id: callId, name } = part;
        return callItem(place(), { callId, name, argumentsJson: isDone ? text : undefined });
      }
      case "thinking":
      case "sealed-thinking":
        return reasoningItem(place(), text, seal);
      default:
        return messageItem(place(), isDone ? [contentOf(part.kind, text)] : []);
    }
  };
  /** Members that say where in the answer an event belongs. */
  const at = (index: JsonObject): JsonObject => ({
    item_id: item(false)["id"],
    output_index: output.length,
    ...index,
  });
  const words = () => wordsOf(part.kind);

  const open = (opened: OpenPart): string => {
    part = opened;
    text = "";
    seal = opened.kind === "sealed-thinking" ? opened.seal : undefined;
    const added = event("response.output_item.added", {
      output_index: output.length,
      item: item(false),
    });
    const { partEvent, index } = words();
    return partEvent === undefined
      ? added
      : added + event(`${partEvent}.added`, { ...at(index), part: contentOf(part.kind, "") });
  };

  const more = (delta: string): string => {
    text += delta;
    const { textEvent, index } = words();
    const logprobs = part.kind === "text" ? { logprobs: [] } : {};
    return textEvent === undefined
      ? ""
      : event(`${textEvent}.delta`, { ...at(index), delta, ...logprobs });
  };

  const close = (): string => {
    const { partEvent, textEvent, index, textMember } = words();
    const place = at(index);
    const logprobs = part.kind === "text" ? { logprobs: [] } : {};
    const told = [
      textEvent === undefined
        ? ""
        : event(`${textEvent}.done`, { ...place, [textMember]: text, ...logprobs }),
      partEvent === undefined
        ? ""
        : event(`${partEvent}.done`, { ...place, part: contentOf(part.kind, text) }),
    ];
    const done = item(true);
    told.push(event("response.output_item.done", { output_index: output.length, item: done }));
    output.push(done);
    return told.join("");
  };

  return {
    output,
    name: (id) => {
      answerId = id;
    },
    open,
    more,
    seal: (given) => {
      seal = given;
    },
    close,
  };
}

function contentOf(kind: OpenPart["kind"], text: string): JsonObject {
  switch (kind) {
    case "thinking":
      return { type: "summary_text", text };
    case "refusal":
      return { type: "refusal", refusal: text };
    default:
      return textContent(text);
  }
}

interface Words {
  /** Of the events that begin and end a part of an item; undefined for items without parts. */
  readonly partEvent: string | undefined;
  /** Of the events that carry text. */
  readonly textEvent: string | undefined;
  readonly index: JsonObject;
  /** The member of the last event that has all of the text. */
  readonly textMember: string;
}

function wordsOf(kind: OpenPart["kind"]): Words {
  switch (kind) {
    case "text":
      return {
        partEvent: "response.content_part",
        textEvent: "response.output_text",
        index: { content_index: 0 },
        textMember: "text",
      };
    case "refusal":
      return {
        partEvent: "response.content_part",
        textEvent: "response.refusal",
        index: { content_index: 0 },
        textMember: "refusal",
      };
    case "thinking":
      return {
        partEvent: "response.reasoning_summary_part",
        textEvent: "response.reasoning_summary_text",
        index: { summary_index: 0 },
        textMember: "text",
      };
    case "tool-call":
      return {
        partEvent: undefined,
        textEvent: "response.function_call_arguments",
        index: {},
        textMember: "arguments",
      };
    case "sealed-thinking":
      return { partEvent: undefined, textEvent: undefined, index: {}, textMember: "text" };
  }
}
