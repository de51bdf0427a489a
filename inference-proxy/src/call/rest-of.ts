import { stopRest, toolRest } from "../sessions/index.ts";
import { endOfString, keyBytes, nextValue, searchable, skipSpace } from "../upstream/json-scan.ts";
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
const colon = 0x3a;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const nullWord = "null";

/** The rest that follows an answer, as {@link stopRest}, {@link toolRest}, or the tool's name. */
export function restOf(answer: OpenCall["answer"]): string {
  if (answer.kind === "stream") {
    const { finishReason } = answer.events.facts;
    return finishReason === "tool_calls" || finishReason === "tool_use" ? toolRest : stopRest;
  }
  const bytes = searchable(answer.bytes);
  for (const mark of toolMarks) {
    for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at + mark.length)) {
      if (!isNothing(bytes, at + mark.length)) {
        return toolNameAfter(bytes, at);
      }
    }
  }
  return stopRest;
}

/** True behind a key without a value to speak of: vLLM writes `"tool_calls":[]` in every answer. */
function isNothing(bytes: Buffer, afterMark: number): boolean {
  const colonAt = skipSpace(bytes, afterMark);
  if (bytes[colonAt] !== colon) {
    return false;
  }
  const at = skipSpace(bytes, colonAt + 1);
  return bytes[at] === openBracket
    ? bytes[skipSpace(bytes, at + 1)] === closeBracket
    : bytes.toString("latin1", at, at + nullWord.length) === nullWord;
}

function toolNameAfter(bytes: Buffer, at: number): string {
  const nameAt = nextValue(bytes, nameKey, at);
  if (nameAt < 0 || bytes[nameAt] !== quote) {
    return toolRest;
  }
  const end = Math.min(endOfString(bytes, nameAt) - 1, nameAt + 1 + nameBytesMax);
  return bytes.toString("utf8", nameAt + 1, end);
}
