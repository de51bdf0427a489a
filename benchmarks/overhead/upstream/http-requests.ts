/** A request as far as the mock upstream cares. */
export interface MockRequest {
  readonly path: string;
  /** Empty unless the reader was asked to keep it. */
  readonly body: string;
}

/**
 * Cuts the bytes of one connection into requests; only what reverse proxies send: HTTP/1.1, a body
 * by length or in chunks. `keepsBody` says whether the body of a path is wanted.
 */
export function createRequestReader(
  keepsBody: (path: string) => boolean,
  onRequest: (request: MockRequest) => void,
): (bytes: Buffer) => void {
  let head: Buffer = Buffer.alloc(0);
  let path = "";
  let body: BodyReader | undefined;
  /**
   * The head before this one: a proxy mostly sends the same again, and then it is known already.
   */
  let knownHead: Buffer = Buffer.alloc(0);
  let framing: Framing = 0;

  return (bytes) => {
    let rest = bytes;
    for (;;) {
      if (body === undefined) {
        const all = head.length === 0 ? rest : Buffer.concat([head, rest]);
        const end = all.indexOf("\r\n\r\n");
        if (end === -1) {
          // The bytes belong to the socket and are gone after this call.
          head = Buffer.from(all);
          return;
        }
        const headBytes = all.subarray(0, end + 2);
        if (!headBytes.equals(knownHead)) {
          knownHead = Buffer.from(headBytes);
          const text = headBytes.toString("latin1");
          path = text.slice(text.indexOf(" ") + 1, text.indexOf(" HTTP/"));
          framing = framingOf(text);
        }
        body = bodyReader(framing, keepsBody(path));
        head = Buffer.alloc(0);
        rest = all.subarray(end + 4);
      }
      const left = body.read(rest);
      if (left === undefined) return;
      const request = { path, body: body.text() };
      body = undefined;
      onRequest(request);
      if (left.length === 0) return;
      rest = left;
    }
  };
}

interface BodyReader {
  /** Takes bytes; returns those behind the body's end, or undefined while it has not come. */
  read(bytes: Buffer): Buffer | undefined;
  text(): string;
}

/** Bytes of a body, or that it comes in chunks. */
type Framing = number | "chunked";

function framingOf(head: string): Framing {
  if (/\r\ntransfer-encoding: *chunked\r\n/i.test(head)) return "chunked";
  return Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
}

function bodyReader(framing: Framing, keeps: boolean): BodyReader {
  const kept: Buffer[] = [];
  const keep = (bytes: Buffer) => {
    if (keeps) kept.push(Buffer.from(bytes));
  };
  const text = () => (kept.length === 0 ? "" : Buffer.concat(kept).toString("utf8"));
  if (framing === "chunked") return { read: chunksReader(keep), text };
  let missing = framing;
  const read = (bytes: Buffer) => {
    const take = Math.min(missing, bytes.length);
    if (take > 0) keep(bytes.subarray(0, take));
    missing -= take;
    return missing === 0 ? bytes.subarray(take) : undefined;
  };
  return { read, text };
}

/** Chunk by chunk: a size line, so many bytes, an empty line; a size of zero ends the body. */
function chunksReader(keep: (bytes: Buffer) => void): BodyReader["read"] {
  let held: Buffer = Buffer.alloc(0);
  let missing = 0;
  let lineEndLeft = 0;
  return (bytes) => {
    let rest = held.length === 0 ? bytes : Buffer.concat([held, bytes]);
    held = Buffer.alloc(0);
    for (;;) {
      const take = Math.min(missing, rest.length);
      if (take > 0) keep(rest.subarray(0, take));
      missing -= take;
      const skip = Math.min(lineEndLeft, rest.length - take);
      lineEndLeft -= skip;
      rest = rest.subarray(take + skip);
      if (missing > 0 || lineEndLeft > 0) return undefined;
      const lineEnd = rest.indexOf("\r\n");
      if (lineEnd === -1) break;
      const size = Number.parseInt(rest.toString("latin1", 0, lineEnd), 16);
      if (size > 0) {
        missing = size;
        lineEndLeft = 2;
        rest = rest.subarray(lineEnd + 2);
        continue;
      }
      // No trailers: the last size line is followed by one empty line.
      if (rest.length < lineEnd + 4) break;
      return rest.subarray(lineEnd + 4);
    }
    held = Buffer.from(rest);
    return undefined;
  };
}
