import { closeSync, createReadStream, openSync, readSync } from "node:fs";
import { createGunzip } from "node:zlib";
import { TraceFormatError } from "./trace-format-error.ts";

/** One line of a file, without its end. */
export interface Line {
  readonly text: string;
  /** From 1 on. */
  readonly number: number;
}

/** Longest line, in characters; a million blocks need 8 M. What is longer is no list of lines. */
const lineCharactersMax = 64 * 2 ** 20;

/**
 * Reads a text file line by line, plain or gzip by its first bytes; memory is that of the longest
 * line. Rejects when the file is missing, or with a `TraceFormatError` when it is broken off.
 */
export async function* readLines(path: string): AsyncGenerator<Line> {
  let rest = "";
  let number = 0;
  for await (const text of readText(path)) {
    rest += text;
    let from = 0;
    for (let end = rest.indexOf("\n"); end !== -1; end = rest.indexOf("\n", from)) {
      number += 1;
      yield { text: rest.slice(from, end), number };
      from = end + 1;
    }
    rest = rest.slice(from);
    if (rest.length > lineCharactersMax) {
      const where = `${path}:${number + 1}`;
      throw new TraceFormatError(`${where}: longer than ${lineCharactersMax} characters`);
    }
  }
  if (rest !== "") yield { text: rest, number: number + 1 };
}

async function* readText(path: string): AsyncGenerator<string> {
  const isCompressed = isGzip(path);
  const file = createReadStream(path, { highWaterMark: 256 * 1024 });
  const bytes = isCompressed ? file.pipe(createGunzip()) : file;
  // Pipes do not hand errors on: a broken file must end the loop below.
  file.on("error", (error) => bytes.destroy(error));
  const decoder = new TextDecoder();
  try {
    for await (const chunk of bytes) yield decoder.decode(chunk, { stream: true });
  } catch (cause) {
    if (!isCompressed) throw cause;
    throw new TraceFormatError(`${path}: the gzip file is broken or broken off`, { cause });
  } finally {
    bytes.destroy();
    file.destroy();
  }
}

function isGzip(path: string): boolean {
  const file = openSync(path, "r");
  try {
    const head = Buffer.alloc(2);
    readSync(file, head, 0, 2, 0);
    return head[0] === 0x1f && head[1] === 0x8b;
  } finally {
    closeSync(file);
  }
}
