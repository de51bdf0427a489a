import { WarmpathError } from "@warmpath/runtime/base";
import { quote } from "./json-walk.ts";

/*
 * Reading small values out of a body. Most are words, short numbers and plain text: those are read
 * here, everything else by JSON.parse.
 */

const backslash = 0x5c;
const zero = 0x30;
const nine = 0x39;
/** Digits of a number that is surely exact. */
const digitsMax = 9;
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Said of every body that is none. */
export const notJsonText = "The body is not valid JSON.";

/** Reads the value between two offsets; throws `rejected-invalid` where it is no JSON. */
export function readValue(bytes: Uint8Array, from: number, to: number): unknown {
  const first = bytes[from]!;
  if (first === quote) {
    const text = plainText(bytes, from + 1, to - 1);
    if (text !== undefined) return text;
  } else if (first >= zero && first <= nine) {
    const number = plainNumber(bytes, from, to);
    if (number !== undefined) return number;
  } else {
    for (const [word, value] of words) {
      if (isText(bytes, from, to, word)) return value;
    }
  }
  try {
    return JSON.parse(decoder.decode(bytes.subarray(from, to)));
  } catch (error) {
    throw new WarmpathError("rejected-invalid", notJsonText, { cause: error });
  }
}

const words: readonly (readonly [string, boolean | null])[] = [
  ["true", true],
  ["false", false],
  ["null", null],
];

/** Longest text that is read byte by byte. */
const plainCharsMax = 64;

/** Text of plain ASCII, without escapes; undefined for any other. */
function plainText(bytes: Uint8Array, from: number, to: number): string | undefined {
  if (to - from > plainCharsMax) return undefined;
  let text = "";
  for (let at = from; at < to; at += 1) {
    const byte = bytes[at]!;
    if (byte < 0x20 || byte > 0x7e || byte === backslash) return undefined;
    text += String.fromCharCode(byte);
  }
  return text;
}

function plainNumber(bytes: Uint8Array, from: number, to: number): number | undefined {
  if (to - from > digitsMax || (bytes[from] === zero && to - from > 1)) return undefined;
  let number = 0;
  for (let at = from; at < to; at += 1) {
    const digit = bytes[at]! - zero;
    if (digit < 0 || digit > 9) return undefined;
    number = number * 10 + digit;
  }
  return number;
}

/** True when exactly this ASCII text stands between the offsets. */
export function isText(bytes: Uint8Array, from: number, to: number, text: string): boolean {
  if (to - from !== text.length) return false;
  for (let index = 0; index < text.length; index += 1) {
    if (bytes[from + index] !== text.charCodeAt(index)) return false;
  }
  return true;
}
