import { skipSpace } from "../upstream/json-scan.ts";

const openBracket = 0x5b;
const closeBracket = 0x5d;
const comma = 0x2c;
const zero = 0x30;
const nine = 0x39;

/** A prompt given as token ids. */
export interface TokenPrompt {
  readonly ids: Uint32Array;
  readonly valueEnd: number;
}

/**
 * The token ids of a prompt whose value begins at `valueAt`; undefined where it is anything but one
 * array of whole numbers, which is then for the engine to judge.
 */
export function readTokenIds(bytes: Uint8Array, valueAt: number): TokenPrompt | undefined {
  if (bytes[valueAt] !== openBracket) return undefined;
  let at = skipSpace(bytes, valueAt + 1);
  if (!isDigit(bytes[at])) return undefined;
  const end = bytes.indexOf(closeBracket, at);
  if (end < 0) return undefined;
  // A number and its comma take two bytes at least.
  const ids = new Uint32Array(Math.ceil((end - valueAt) / 2));
  let count = 0;
  for (;;) {
    const start = at;
    let id = 0;
    while (isDigit(bytes[at])) {
      id = id * 10 + (bytes[at]! - zero);
      at += 1;
    }
    if (at === start || id > 0xffff_ffff) return undefined;
    ids[count] = id;
    count += 1;
    at = skipSpace(bytes, at);
    if (at === end) return { ids: ids.subarray(0, count), valueEnd: end + 1 };
    if (bytes[at] !== comma) return undefined;
    at = skipSpace(bytes, at + 1);
  }
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= zero && byte <= nine;
}
