/** A request's first line and headers. */
export interface RequestHead {
  readonly method: string;
  readonly target: string;
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>;
  /** Whether the client wants the connection kept. */
  readonly keepsAlive: boolean;
  /** Bytes of the body, or "chunked". */
  readonly bodyLength: number | "chunked";
}

const headEnd = Buffer.from("\r\n\r\n");

/** Bytes that a head may have, however it arrives: the default of uvicorn's h11 parser. */
const headBytesMax = 65_536;

/** What the bytes so far are: nothing whole yet, a head and where it ends, or no HTTP at all. */
export type HeadFound =
  | { readonly kind: "incomplete" }
  | { readonly kind: "malformed" }
  | { readonly kind: "head"; readonly head: RequestHead; readonly end: number };

/** Looks for a request's head at the start of what was received. */
export function findHead(received: Buffer): HeadFound {
  const at = received.indexOf(headEnd);
  if (at === -1) return { kind: received.length > headBytesMax ? "malformed" : "incomplete" };
  if (at > headBytesMax) return { kind: "malformed" };
  const head = parseHead(received.toString("latin1", 0, at));
  if (head === undefined) return { kind: "malformed" };
  return { kind: "head", head, end: at + headEnd.length };
}

function parseHead(text: string): RequestHead | undefined {
  const [first = "", ...lines] = text.split("\r\n");
  const [method = "", target = "", version = ""] = first.split(" ");
  if (!/^HTTP\/1\.[01]$/.test(version) || !/^[A-Z]+$/.test(method)) return undefined;
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon < 1) return undefined;
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  const connection = headers.get("connection")?.toLowerCase() ?? "";
  const keepsAlive = version === "HTTP/1.1" ? connection !== "close" : connection === "keep-alive";
  const isChunked = headers.get("transfer-encoding")?.toLowerCase() === "chunked";
  const lengthText = headers.get("content-length") ?? "0";
  const length = Number(lengthText);
  if (!/^\d+$/.test(lengthText) || !Number.isSafeInteger(length)) return undefined;
  return { method, target, headers, keepsAlive, bodyLength: isChunked ? "chunked" : length };
}

/** The body of a chunked request, or undefined while more is to come, or "malformed". */
export function decodeChunks(
  received: Buffer,
): { readonly body: Buffer; readonly end: number } | "malformed" | undefined {
  const parts: Buffer[] = [];
  let at = 0;
  for (;;) {
    const lineEnd = received.indexOf("\r\n", at);
    if (lineEnd === -1) return undefined;
    const sizeText = received.toString("latin1", at, lineEnd);
    const size = Number.parseInt(sizeText, 16);
    if (!/^[\da-f]+\s*(?:;|$)/i.test(sizeText) || !Number.isSafeInteger(size)) return "malformed";
    const start = lineEnd + 2;
    if (size === 0) {
      // Trailers are not used by any client of this API: the end is the empty line.
      const end = received.indexOf("\r\n", start);
      return end === -1 ? undefined : { body: Buffer.concat(parts), end: end + 2 };
    }
    if (received.length < start + size + 2) return undefined;
    parts.push(received.subarray(start, start + size));
    at = start + size + 2;
  }
}
