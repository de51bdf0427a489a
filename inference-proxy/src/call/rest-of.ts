import { stopRest, toolRest } from "../sessions/index.ts";
import { endOfString, keyBytes, nextValue, searchable } from "../upstream/json-scan.ts";
import type { OpenCall } from "./end-call.ts";

/*
 * What a session waits for after an answer: a tool, whose kind of rest is learned by its name, or
 * whoever reads the answer.
 */

const nameKey = keyBytes("name");
/** By which a whole answer of any format asks for tools. */
const toolMarks = ["tool_calls", "tool_use", "function_call"].map((mark) =>
  Buffer.from(`"${mark}"`),
);
/** Longer names are cut: they come from callers. */
const nameBytesMax = 64;
const quote = 0x22;

/** The rest that follows an answer, as {@link stopRest}, {@link toolRest}, or the tool's name. */
export function restOf(answer: OpenCall["answer"]): string {
  if (answer.kind === "stream") {
    const { finishReason } = answer.events.facts;
    return finishReason === "tool_calls" || finishReason === "tool_use" ? toolRest : stopRest;
  }
  const bytes = searchable(answer.bytes);
  for (const mark of toolMarks) {
    const at = bytes.indexOf(mark);
    if (at >= 0) {
      return toolNameAfter(bytes, at);
    }
  }
  return stopRest;
}

function toolNameAfter(bytes: Buffer, at: number): string {
  const nameAt = nextValue(bytes, nameKey, at);
  if (nameAt < 0 || bytes[nameAt] !== quote) {
    return toolRest;
  }
  const end = Math.min(endOfString(bytes, nameAt) - 1, nameAt + 1 + nameBytesMax);
  return bytes.toString("utf8", nameAt + 1, end);
}
