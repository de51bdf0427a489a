/**
 * Texts as bytes: text columns refuse a NUL character, which is legal in what users, models and
 * tools write.
 */
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** UTF-8 bytes of a text. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** The text of UTF-8 bytes; a missing column is an empty text. */
export function textFromUtf8(bytes: Uint8Array | null): string {
  return bytes === null ? "" : decoder.decode(bytes);
}

/** The first `bytesMax` bytes of a text, cut between characters. */
export function utf8Prefix(text: string, bytesMax: number): Uint8Array {
  const bytes = encoder.encode(text);
  if (bytes.length <= bytesMax) {
    return bytes;
  }
  let end = bytesMax;
  // 10xxxxxx continues a character: step back to where one starts.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) {
    end--;
  }
  return bytes.slice(0, end);
}

/** Lower-case hexadecimal, the key of hashes in maps. */
export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}
