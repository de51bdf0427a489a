/** Where ReadyForQuery says the session stands: idle, in a transaction, in a failed one. */
export type ReadyStatus = "I" | "T" | "E";

/** No encryption here: the answer to SSLRequest and GSSENCRequest. */
export const encryptionRefusal = Buffer.from("N");

/** The status if `answer` ends in ReadyForQuery: nothing follows one until the client writes. */
export function readyStatusOf(answer: Buffer): ReadyStatus | undefined {
  const start = answer.length - 6;
  // Z, and a length of five: itself and the status.
  if (start < 0 || answer[start] !== 0x5a || answer.readUInt32BE(start + 1) !== 5) {
    return undefined;
  }
  const status = String.fromCharCode(answer[start + 5] ?? 0);
  return status === "I" || status === "T" || status === "E" ? status : undefined;
}

/** An ErrorResponse that ends the session, with its SQLSTATE. */
export function fatalError(sqlState: string, message: string): Buffer {
  return frame("E", `SFATAL\0VFATAL\0C${sqlState}\0M${message}\0\0`);
}

/** One message: a type, the length of all but the type, and text (a client's message or ours). */
export function frame(type: string, text: string): Buffer {
  const bytes = Buffer.alloc(5 + Buffer.byteLength(text));
  bytes.write(type, 0, "latin1");
  bytes.writeUInt32BE(bytes.length - 1, 1);
  bytes.write(text, 5);
  return bytes;
}
