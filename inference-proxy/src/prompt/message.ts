import { skipSpace } from "../upstream/json-scan.ts";
import { closingQuote, endOfJsonValue, quote } from "./json-walk.ts";
import { isText } from "./read-value.ts";

/** With its quotes. */
const roleBytesMax = 34;
const underscore = 0x5f;
const colon = 0x3a;
const comma = 0x2c;
const openBrace = 0x7b;

/**
 * The `role` of the message between two offsets; empty where it has none, or one that is no plain
 * word: what is returned here goes into headers and logs.
 */
export function roleOf(bytes: Uint8Array, from: number, to: number): string {
  if (bytes[from] !== openBrace) return "";
  let at = skipSpace(bytes, from + 1);
  while (at < to && bytes[at] === quote) {
    const nameEnd = closingQuote(bytes, at + 1) + 1;
    const colonAt = skipSpace(bytes, nameEnd);
    if (bytes[colonAt] !== colon) return "";
    const valueAt = skipSpace(bytes, colonAt + 1);
    const valueEnd = endOfJsonValue(bytes, valueAt);
    if (valueEnd < 0) return "";
    if (isText(bytes, at + 1, nameEnd - 1, "role")) {
      return valueEnd - valueAt > roleBytesMax ? "" : wordBetween(bytes, valueAt + 1, valueEnd - 1);
    }
    at = skipSpace(bytes, valueEnd);
    if (bytes[at] !== comma) return "";
    at = skipSpace(bytes, at + 1);
  }
  return "";
}

function wordBetween(bytes: Uint8Array, from: number, to: number): string {
  let text = "";
  for (let at = from; at < to; at += 1) {
    const byte = bytes[at]!;
    if ((byte < 0x61 || byte > 0x7a) && byte !== underscore) return "";
    text += String.fromCharCode(byte);
  }
  return text;
}

/** Roles of what stands before a conversation. */
export function isSystemRole(role: string): boolean {
  return role === "system" || role === "developer";
}
