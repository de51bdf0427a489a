/**
 * A tool's text as the model is shown it: legal UTF-8 (a lone surrogate becomes U+FFFD; NUL is
 * legal and stays) of at most `bytesMax` bytes, cut between characters, with a note that says what
 * was cut.
 */
export function boundResult(content: string, bytesMax: number): string {
  const legal = content.toWellFormed();
  const bytes = Buffer.byteLength(legal);
  if (bytes <= bytesMax) return legal;
  const note = `\n[cut: ${bytes} bytes, only the first part is shown]`;
  const room = Math.max(0, bytesMax - Buffer.byteLength(note));
  let end = room;
  const buffer = Buffer.from(legal);
  // 10xxxxxx continues a character: step back to where one begins.
  while (end > 0 && ((buffer[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return buffer.subarray(0, end).toString() + note;
}
