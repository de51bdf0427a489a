import { compact, untranslatable } from "../json.ts";
import { writeSeal } from "../seal.ts";
import type { JsonObject, Part, Seal } from "../types.ts";

/* Parts as items of an output. Every item has an id, made of the answer's and its own place. */

/** The items of a whole answer. */
export function writeOutput(parts: readonly Part[], answerId: string): readonly JsonObject[] {
  return parts.map((part, at) => writeItem(part, `${answerId}_${at}`));
}

function writeItem(part: Part, id: string): JsonObject {
  switch (part.kind) {
    case "text":
      return messageItem(id, [textContent(part.text)]);
    case "refusal":
      return messageItem(id, [{ type: "refusal", refusal: part.text }]);
    case "thinking":
      return reasoningItem(id, part.text, part.seal);
    case "sealed-thinking":
      return reasoningItem(id, "", part.seal);
    case "tool-call":
      return callItem(id, { callId: part.id, name: part.name, argumentsJson: part.argumentsJson });
    default:
      throw untranslatable("output", "holds a part that no answer can have");
  }
}

/** A message; in progress while it has no content. */
export function messageItem(id: string, content: readonly JsonObject[]): JsonObject {
  const status = content.length === 0 ? "in_progress" : "completed";
  return { id: `msg_${id}`, type: "message", status, role: "assistant", content };
}

export function textContent(text: string): JsonObject {
  return { type: "output_text", text, annotations: [], logprobs: [] };
}

/** What OpenAI sealed goes back under the id that it was sealed with. */
export function reasoningItem(id: string, text: string, seal: Seal | undefined): JsonObject {
  const summary = text === "" ? [] : [{ type: "summary_text", text }];
  if (seal?.origin === "responses") {
    const at = seal.data.indexOf("/");
    const encrypted_content = seal.data.slice(at + 1);
    return { id: seal.data.slice(0, at), type: "reasoning", summary, encrypted_content };
  }
  const sealed = seal === undefined ? undefined : writeSeal(seal, "responses");
  return compact({ id: `rs_${id}`, type: "reasoning", summary, encrypted_content: sealed });
}

/** A call; in progress while its arguments are not known. */
export function callItem(
  id: string,
  call: {
    readonly callId: string;
    readonly name: string;
    readonly argumentsJson: string | undefined;
  },
): JsonObject {
  const { callId, name, argumentsJson } = call;
  return {
    id: `fc_${id}`,
    type: "function_call",
    status: argumentsJson === undefined ? "in_progress" : "completed",
    call_id: callId,
    name,
    arguments: argumentsJson ?? "",
  };
}
