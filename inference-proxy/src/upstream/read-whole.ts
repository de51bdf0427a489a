import { WarmpathError } from "@warmpath/runtime/base";

/**
 * Reads a body that may be no larger than `bytesMax`; a declared length is judged before anything
 * is read.
 */
export async function readWhole(
  message: Request | Response,
  bytesMax: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const declared = message.headers.get("content-length");
  // What is compressed says how long it is on the wire, not here.
  if (declared !== null && !message.headers.has("content-encoding")) {
    if (Number(declared) > bytesMax) {
      throw tooLarge(bytesMax);
    }
    // The HTTP parser enforces the declared length.
    return await message.bytes();
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of message.body ?? []) {
    size += chunk.length;
    if (size > bytesMax) {
      throw tooLarge(bytesMax);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(bytesMax: number): WarmpathError {
  return new WarmpathError("rejected-too-large", `a body may have at most ${bytesMax} bytes`);
}
