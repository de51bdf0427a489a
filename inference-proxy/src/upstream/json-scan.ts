/*
 * Finding keys in JSON bytes without parsing them. A quoted key cannot occur inside a JSON string,
 * where its quotes would be escaped, so a native byte search is enough; what follows the key
 * decides whether it is one.
 */

const quote = 0x22;
const backslash = 0x5c;
const colon = 0x3a;
const openBrace = 0x7b;
const openBracket = 0x5b;

/** A key to look for, with its quotes, as the bytes that the search wants. */
export function keyBytes(key: string): Buffer {
  return Buffer.from(`"${key}"`);
}

/** A view of the same bytes that has the native searches. */
export function searchable(bytes: Uint8Array): Buffer {
  if (bytes instanceof Buffer) {
    return bytes;
  }
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Where the value of the next such key at or after `from` begins; -1 when there is none. */
export function nextValue(bytes: Buffer, key: Buffer, from: number): number {
  for (let at = bytes.indexOf(key, from); at >= 0; at = bytes.indexOf(key, at + key.length)) {
    const value = valueAfter(bytes, at + key.length);
    if (value >= 0) {
      return value;
    }
  }
  return -1;
}

/** Like {@link nextValue}, for the last such key. */
export function lastValue(bytes: Buffer, key: Buffer): number {
  let from = bytes.length;
  while (from >= 0) {
    const at = bytes.lastIndexOf(key, from);
    if (at < 0) {
      return -1;
    }
    const value = valueAfter(bytes, at + key.length);
    if (value >= 0) {
      return value;
    }
    from = at - 1;
  }
  return -1;
}

function valueAfter(bytes: Uint8Array, at: number): number {
  const colonAt = skipSpace(bytes, at);
  return bytes[colonAt] === colon ? skipSpace(bytes, colonAt + 1) : -1;
}

/** The first position at or after `at` that is not white space. */
export function skipSpace(bytes: Uint8Array, at: number): number {
  let position = at;
  for (;;) {
    const byte = bytes[position];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) {
      return position;
    }
    position += 1;
  }
}

/**
 * The position after the closing quote of the string whose opening quote is at `at`. Strings are
 * most of a prompt, so their ends are found by the native search.
 */
export function endOfString(bytes: Uint8Array, at: number): number {
  let close = bytes.indexOf(quote, at + 1);
  while (close >= 0 && isEscaped(bytes, close)) {
    close = bytes.indexOf(quote, close + 1);
  }
  return close < 0 ? bytes.length : close + 1;
}

/** True after an odd number of backslashes: in an even one they escape each other. */
function isEscaped(bytes: Uint8Array, at: number): boolean {
  let before = at - 1;
  while (bytes[before] === backslash) {
    before -= 1;
  }
  return (at - 1 - before) % 2 === 1;
}

/** The position after the value that begins at `at`; well-formed JSON is assumed. */
export function endOfValue(bytes: Uint8Array, at: number): number {
  const first = bytes[at];
  if (first === quote) {
    return endOfString(bytes, at);
  }
  if (first !== openBrace && first !== openBracket) {
    return endOfScalar(bytes, at);
  }
  let depth = 0;
  let position = at;
  while (position < bytes.length) {
    const byte = bytes[position];
    if (byte === quote) {
      position = endOfString(bytes, position);
      continue;
    }
    if (byte === openBrace || byte === openBracket) {
      depth += 1;
    } else if (byte === 0x7d || byte === 0x5d) {
      depth -= 1;
      if (depth === 0) {
        return position + 1;
      }
    }
    position += 1;
  }
  return bytes.length;
}

/**
 * A number or a word ends at a comma, a bracket or white space: "," "]" "}" and everything up to
 * the space.
 */
function endOfScalar(bytes: Uint8Array, at: number): number {
  let position = at;
  while (position < bytes.length) {
    const byte = bytes[position] ?? 0;
    if (byte === 0x2c || byte === 0x5d || byte === 0x7d || byte <= 0x20) {
      return position;
    }
    position += 1;
  }
  return position;
}
