import { WarmpathError } from "@warmpath/runtime/base";

/*
 * Walking over JSON values without reading them. Strings are most of a prompt: their ends are found
 * by the native byte search, and only what stands between strings is looked at byte by byte.
 * Whether what is inside is well-formed is the engine's to judge; for every well-formed value the
 * walk ends where a parser would.
 */

export const quote = 0x22;
const backslash = 0x5c;
const openBrace = 0x7b;
const openBracket = 0x5b;
const closeBrace = 0x7d;
const closeBracket = 0x5d;

/**
 * Deepest nesting that is passed on. Engines read JSON by recursion (CPython gives up near 1,000
 * levels, pydantic at 200) and answer deeper bodies with a crash of the request at best.
 */
export const nestingMax = 512;

/**
 * Strings up to about this long, as most names are, end sooner by a loop than by a call of the
 * native search: 15 ns a call beside 1 ns a byte. Longer ones are searched natively also where
 * every dozen bytes have an escaped quote.
 */
const loopBytes = 16;

/**
 * A walk through one value that can stop at any byte and go on from there, also in another copy of
 * the same bytes: `depth` and `isInString` are all that it remembers.
 */
export class JsonWalk {
  readonly bytes: Uint8Array;
  /** The next byte to look at. */
  at: number;
  depth: number;
  isInString: boolean;
  /** Where the string that the walk is in ends, once that is known: no byte is searched twice. */
  #closeAt = -1;

  constructor(bytes: Uint8Array, at: number, depth = 0, isInString = false) {
    this.bytes = bytes;
    this.at = at;
    this.depth = depth;
    this.isInString = isInString;
  }

  /**
   * Walks on until the value at depth `floor` is complete (true; `at` is behind it) or `limit` is
   * reached (false). Throws `rejected-invalid` beyond {@link nestingMax}.
   */
  run(limit: number, floor: number): boolean {
    const { bytes } = this;
    for (;;) {
      if (this.isInString) {
        if (!this.#leaveString(limit)) return false;
        if (this.depth === floor) return true;
      }
      let { at } = this;
      while (at < limit) {
        const byte = bytes[at]!;
        at += 1;
        if (byte === quote) {
          this.isInString = true;
          break;
        }
        if (byte === openBrace || byte === openBracket) {
          this.depth += 1;
          if (this.depth > nestingMax) throw tooDeep();
        } else if (byte === closeBrace || byte === closeBracket) {
          this.depth -= 1;
          if (this.depth === floor) {
            this.at = at;
            return true;
          }
        }
      }
      this.at = at;
      if (!this.isInString) return false;
    }
  }

  #leaveString(limit: number): boolean {
    if (this.#closeAt < this.at) this.#closeAt = closingQuote(this.bytes, this.at);
    if (this.#closeAt >= limit) {
      this.at = limit;
      return false;
    }
    this.at = this.#closeAt + 1;
    this.isInString = false;
    return true;
  }
}

/**
 * The position of the quote that closes the string in which `from` lies; the length of the bytes
 * where nothing closes it.
 */
export function closingQuote(bytes: Uint8Array, from: number): number {
  const { length } = bytes;
  let at = isEscaped(bytes, from) ? from + 1 : from;
  const loopEnd = Math.min(at + loopBytes, length);
  while (at < loopEnd) {
    const byte = bytes[at];
    if (byte === quote) return at;
    at += byte === backslash ? 2 : 1;
  }
  let found = at < length ? bytes.indexOf(quote, at) : -1;
  while (found >= 0 && isEscaped(bytes, found)) found = bytes.indexOf(quote, found + 1);
  return found < 0 ? length : found;
}

/** True after an odd number of backslashes: in an even one they escape each other. */
function isEscaped(bytes: Uint8Array, at: number): boolean {
  let before = at - 1;
  while (bytes[before] === backslash) before -= 1;
  return (at - 1 - before) % 2 === 1;
}

/**
 * The position after the value that begins at `at`, where white space has been skipped; -1 where
 * there is none or it does not end.
 */
export function endOfJsonValue(bytes: Uint8Array, at: number): number {
  const first = bytes[at];
  if (first === quote) {
    const close = closingQuote(bytes, at + 1);
    return close < bytes.length ? close + 1 : -1;
  }
  if (first === openBrace || first === openBracket) {
    const walk = new JsonWalk(bytes, at + 1, 1);
    return walk.run(bytes.length, 0) ? walk.at : -1;
  }
  const end = endOfScalar(bytes, at);
  return end > at ? end : -1;
}

/** A number or a word ends at white space or at a comma, a colon, a quote or a bracket. */
export function endOfScalar(bytes: Uint8Array, from: number): number {
  let at = from;
  while (at < bytes.length && !endsScalar(bytes[at]!)) at += 1;
  return at;
}

function endsScalar(byte: number): boolean {
  return (
    byte <= 0x20 ||
    byte === 0x2c ||
    byte === 0x3a ||
    byte === quote ||
    byte === openBracket ||
    byte === closeBracket ||
    byte === openBrace ||
    byte === closeBrace
  );
}

function tooDeep(): WarmpathError {
  return new WarmpathError(
    "rejected-invalid",
    `The body nests arrays and objects more than ${nestingMax} deep.`,
  );
}
