import { endOfString, keyBytes, nextValue, skipSpace } from "./json-scan.ts";
import type { WireFormat } from "./wire-format.ts";

/*
 * Which tool a stream calls: the first event of a call carries its name. Cost per read of a stream
 * that calls none: one native byte search; nothing once a name is known, and nothing is parsed.
 */

/** What every event has that begins a call of a tool, quoted, so that no answer's text has it. */
const marks: Readonly<Record<WireFormat, Buffer>> = {
  chat: keyBytes("tool_calls"),
  messages: keyBytes("tool_use"),
  responses: keyBytes("response.output_item.added"),
};

/** Items of a response that the client has to run. */
const calledItems = [keyBytes("function_call"), keyBytes("custom_tool_call")];

const nameKey = keyBytes("name");
/** Longer names are cut: they come from callers. */
const nameBytesMax = 64;
const quote = 0x22;
const colon = 0x3a;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const newline = 0x0a;
const nullWord = "null";

/**
 * The name of the first tool that a block of whole events begins to call. A line is looked at once,
 * however many marks it has: an upstream may send a megabyte of them.
 */
export function toolNameIn(block: Buffer, format: WireFormat): string | undefined {
  const mark = marks[format];
  for (let at = block.indexOf(mark); at >= 0; at = block.indexOf(mark, at)) {
    if (format !== "responses" && isNothing(block, at + mark.length)) {
      at += mark.length;
      continue;
    }
    const end = endOfLine(block, at);
    const name =
      format === "responses"
        ? nameOfItem(block.subarray(startOfLine(block, at), end))
        : toolNameAfter(block.subarray(0, end), at);
    if (name !== undefined) {
      return name;
    }
    at = end;
  }
  return undefined;
}

/** True behind a key without a value to speak of: vLLM writes `"tool_calls":[]` in every answer. */
export function isNothing(bytes: Buffer, afterKey: number): boolean {
  const colonAt = skipSpace(bytes, afterKey);
  if (bytes[colonAt] !== colon) {
    return false;
  }
  const at = skipSpace(bytes, colonAt + 1);
  return bytes[at] === openBracket
    ? bytes[skipSpace(bytes, at + 1)] === closeBracket
    : bytes.toString("latin1", at, at + nullWord.length) === nullWord;
}

/** The next name at or after `at`; undefined where there is none. */
export function toolNameAfter(bytes: Buffer, at: number): string | undefined {
  const nameAt = nextValue(bytes, nameKey, at);
  if (nameAt < 0 || bytes[nameAt] !== quote) {
    return undefined;
  }
  const end = Math.min(endOfString(bytes, nameAt) - 1, nameAt + 1 + nameBytesMax);
  return end === nameAt + 1 ? undefined : bytes.toString("utf8", nameAt + 1, end);
}

/** An item's members come in any order: vLLM writes its name before its type. */
function nameOfItem(event: Buffer): string | undefined {
  return calledItems.some((item) => event.includes(item)) ? toolNameAfter(event, 0) : undefined;
}

/** The data of an event is one line, as every engine known to us writes it. */
function startOfLine(block: Buffer, at: number): number {
  return block.lastIndexOf(newline, at) + 1;
}

function endOfLine(block: Buffer, at: number): number {
  const end = block.indexOf(newline, at);
  return end < 0 ? block.length : end;
}
