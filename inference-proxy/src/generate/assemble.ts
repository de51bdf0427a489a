import { create } from "@bufbuild/protobuf";
import { type Message, MessageSchema, Role } from "@warmpath/proto/common";
import { encodeWire } from "@warmpath/runtime";
import { newId, WarmpathError } from "@warmpath/runtime/base";
import { dataOf, doneData, splitEvents } from "../upstream/sse.ts";
import { parseDelta, type ToolCallFragment } from "./chunk.ts";

/** A piece of an answer to hand on. */
export type Piece =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "reasoning"; readonly text: string }
  | {
      readonly kind: "tool-call";
      readonly index: number;
      /** Set in the first piece of a call only. */
      readonly callId: string;
      readonly name: string;
      readonly arguments: string;
    };

/** Builds the whole answer out of its pieces. */
export interface Assembler {
  /** The pieces in a block of complete events. */
  push(block: Uint8Array): readonly Piece[];
  /** The pieces of an answer that came whole. */
  pushWhole(json: string): readonly Piece[];
  finish(): { readonly message: Message; readonly finishReason: string };
}

interface Call {
  readonly id: string;
  readonly name: string;
  readonly arguments: string[];
  /** The engine's own id for it, to tell calls apart that share an index. */
  readonly engineId: string;
}

/** More calls than this in one answer are a model gone astray. */
const toolCallsMax = 128;

/** Refuses an answer of more than `bytesMax` characters. */
export function createAssembler(bytesMax: number): Assembler {
  const texts: string[] = [];
  const calls: Call[] = [];
  const slots = new Map<number, number>();
  let size = 0;
  let finishReason = "";

  const slotOf = (fragment: ToolCallFragment): number => {
    const last = calls.length - 1;
    const known = fragment.index === undefined ? last : slots.get(fragment.index);
    const call = known === undefined ? undefined : calls[known];
    const isNew = call === undefined || (fragment.id !== "" && fragment.id !== call.engineId);
    if (!isNew && known !== undefined) {
      return known;
    }
    if (calls.length >= toolCallsMax) {
      throw tooLong(`more than ${toolCallsMax} tool calls`);
    }
    const slot = calls.length;
    slots.set(fragment.index ?? slot, slot);
    const id = fragment.id === "" ? newId("call") : fragment.id;
    calls.push({ id, name: fragment.name, arguments: [], engineId: fragment.id });
    return slot;
  };

  const pushCall = (fragment: ToolCallFragment): Piece => {
    const before = calls.length;
    const index = slotOf(fragment);
    const call = calls[index];
    call?.arguments.push(fragment.arguments);
    const isFirst = calls.length > before;
    return {
      kind: "tool-call",
      index,
      callId: isFirst ? (call?.id ?? "") : "",
      name: isFirst ? (call?.name ?? "") : "",
      arguments: fragment.arguments,
    };
  };

  const pushJson = (json: string): readonly Piece[] => {
    const delta = parseDelta(json);
    if (delta.error !== undefined) {
      throw new WarmpathError("failed-upstream-cut", `the upstream failed: ${delta.error}`);
    }
    size += json.length;
    if (size > bytesMax) {
      throw tooLong(`longer than ${bytesMax} bytes`);
    }
    finishReason = delta.finishReason ?? finishReason;
    if (delta.text !== "") {
      texts.push(delta.text);
    }
    return [
      ...(delta.reasoning === "" ? [] : [{ kind: "reasoning", text: delta.reasoning } as const]),
      ...(delta.text === "" ? [] : [{ kind: "text", text: delta.text } as const]),
      ...delta.toolCalls.map(pushCall),
    ];
  };

  return {
    push: (block) =>
      splitEvents(block).flatMap((event) => {
        const data = dataOf(event);
        return data === undefined || data === doneData ? [] : pushJson(data);
      }),
    pushWhole: pushJson,
    finish: () => ({
      message: messageOf(texts.join(""), calls),
      // Some engines say "stop" where they called a tool.
      finishReason: calls.length > 0 && finishReason === "stop" ? "tool_calls" : finishReason,
    }),
  };
}

function messageOf(text: string, calls: readonly Call[]): Message {
  const textParts = text === "" ? [] : [{ kind: { case: "text", value: text } } as const];
  const callParts = calls.map(({ id, name, arguments: fragments }) => ({
    kind: {
      case: "toolCall",
      value: { callId: id, name, argumentsJson: fragments.join("") },
    } as const,
  }));
  const parts = [...textParts, ...callParts];
  return encodeWire(create(MessageSchema, { role: Role.ASSISTANT, parts }));
}

function tooLong(what: string): WarmpathError {
  return new WarmpathError("failed-upstream-protocol", `the upstream's answer is ${what}`);
}
