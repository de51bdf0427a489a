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
      await message.body?.cancel();
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

/** Like {@link readWhole}, as text. */
export async function readText(message: Response, bytesMax: number): Promise<string> {
  return new TextDecoder().decode(await readWhole(message, bytesMax));
}

/** The same, parsed; the error of what is no JSON does not quote it. */
export async function readJson(message: Response, bytesMax: number): Promise<unknown> {
  const value = parsed(await readText(message, bytesMax));
  if (value === undefined) {
    throw new Error("its answer is no JSON");
  }
  return value;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // No JSON text means undefined.
    return undefined;
  }
}

function tooLarge(bytesMax: number): WarmpathError {
  return new WarmpathError("rejected-too-large", `a body may have at most ${bytesMax} bytes`);
}
