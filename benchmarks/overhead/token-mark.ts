/**
 * The text of a token of the mock upstream: its number and when it was made,
 * `@00007:0000123456789012;`. It survives everybody who parses and rewrites events, and is found
 * without parsing any.
 */
const numberDigits = 5;
const timeDigits = 16;

/** Bytes of a mark. */
export const markBytes = numberDigits + timeDigits + 3;

/** A mark with all digits zero, to be placed in a template. */
export const blankMark = `@${"0".repeat(numberDigits)}:${"0".repeat(timeDigits)};`;

const at = 0x40;
const colon = 0x3a;
const semicolon = 0x3b;
const zero = 0x30;
const timeOffset = numberDigits + 2;

/** Fills in a blank mark that begins at `offset`. */
export function writeMark(bytes: Uint8Array, offset: number, number: number, madeUs: number): void {
  writeDigits(bytes, offset + 1, numberDigits, number);
  writeDigits(bytes, offset + timeOffset, timeDigits, Math.floor(madeUs));
}

/**
 * Calls `onMark` for every whole mark; returns where the bytes begin that may be the start of one
 * that is not whole yet, which is the length when there is none.
 */
export function readMarks(
  bytes: Uint8Array,
  onMark: (number: number, madeUs: number) => void,
): number {
  let from = bytes.indexOf(at);
  while (from !== -1) {
    if (from + markBytes > bytes.length) return from;
    if (isMark(bytes, from)) {
      onMark(
        readDigits(bytes, from + 1, numberDigits),
        readDigits(bytes, from + timeOffset, timeDigits),
      );
      from += markBytes - 1;
    }
    from = bytes.indexOf(at, from + 1);
  }
  return bytes.length;
}

function isMark(bytes: Uint8Array, from: number): boolean {
  return bytes[from + numberDigits + 1] === colon && bytes[from + markBytes - 1] === semicolon;
}

function writeDigits(bytes: Uint8Array, offset: number, count: number, value: number): void {
  let rest = value;
  for (let index = offset + count - 1; index >= offset; index--) {
    bytes[index] = zero + (rest % 10);
    rest = Math.floor(rest / 10);
  }
}

function readDigits(bytes: Uint8Array, offset: number, count: number): number {
  let value = 0;
  for (let index = offset; index < offset + count; index++) {
    value = value * 10 + ((bytes[index] ?? zero) - zero);
  }
  return value;
}
