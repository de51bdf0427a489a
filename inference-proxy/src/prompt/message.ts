import { skipSpace } from "../upstream/json-scan.ts";
import { closingQuote, endOfJsonValue, quote } from "./json-walk.ts";

const roleName = Buffer.from('"role"');
const colon = 0x3a;
const comma = 0x2c;
const openBrace = 0x7b;

/**
 * The `role` of the message between two offsets, as it is written; empty where it has none. Roles
 * are short words without escapes, or nobody's.
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
    if (isRole(bytes, at, nameEnd) && bytes[valueAt] === quote) {
      return String.fromCharCode(
        ...bytes.subarray(valueAt + 1, Math.min(valueEnd - 1, valueAt + 33)),
      );
    }
    at = skipSpace(bytes, valueEnd);
    if (bytes[at] !== comma) return "";
    at = skipSpace(bytes, at + 1);
  }
  return "";
}

function isRole(bytes: Uint8Array, from: number, to: number): boolean {
  if (to - from !== roleName.length) return false;
  for (let index = 1; index < roleName.length - 1; index += 1) {
    if (bytes[from + index] !== roleName[index]) return false;
  }
  return true;
}

/** Roles of what stands before a conversation. */
export function isSystemRole(role: string): boolean {
  return role === "system" || role === "developer";
}
