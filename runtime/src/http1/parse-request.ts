import type { Framing } from "./body-reader.ts";
import { FieldsReader, type HttpFields } from "./fields.ts";
import { parseLength } from "./parse-response.ts";
import { pathOf } from "./request.ts";
import { Http1Error } from "./types.ts";

/** The beginning of a request, judged. */
export interface RequestHead {
  readonly method: string;
  /** Absolute, as a client of ours would have typed it. */
  readonly url: string;
  /** Of the URL, without its query. */
  readonly path: string;
  readonly fields: HttpFields;
  readonly framing: Framing;
  /** True when the client may send another request after this one. */
  readonly keepsAlive: boolean;
  /** False for HTTP/1.0, which knows no chunks. */
  readonly knowsChunks: boolean;
  /** It waits for a word of ours before it sends the body. */
  readonly expectsContinue: boolean;
}

/** First line of a connection that speaks HTTP/2 from its start. */
export const http2Preface = "PRI * HTTP/2.0";

const requestLine = /^([A-Z]{1,32}) ([!-~]+) HTTP\/1\.([01])$/;
const hostForm = /^[A-Za-z0-9._~!$&'()*+,;=:[\]%-]*$/;

/** Reads the heads of one connection's requests. One that says the same as the last is the last. */
export class RequestHeadReader {
  readonly #fields = new FieldsReader();
  #line = "";
  #last: RequestHead | undefined;

  /**
   * Reads a request's head, strictly: where two servers could read two different requests out of
   * the same bytes, nothing is read. Throws `Http1Error` of kind `protocol`.
   */
  read(text: string): RequestHead {
    const found = text.indexOf("\r\n");
    const lineEnd = found < 0 ? text.length : found;
    const fields = this.#fields.read(text, lineEnd + 2);
    const last = this.#last;
    if (last?.fields === fields && lineEnd === this.#line.length && text.startsWith(this.#line)) {
      return last;
    }
    const line = text.slice(0, lineEnd);
    const head = headOf(line, fields);
    this.#line = line;
    this.#last = head;
    return head;
  }
}

function headOf(line: string, fields: HttpFields): RequestHead {
  const match = requestLine.exec(line);
  if (match === null) {
    throw new Http1Error("protocol", "the request does not begin as HTTP/1.1 does");
  }
  const [, method = "", target = "", minor] = match;
  const isOld = minor === "0";
  const connection = fields.get("connection")?.toLowerCase();
  const url = urlOf(target, fields, isOld);
  return {
    method,
    url,
    path: pathOf(url),
    fields,
    framing: framingOf(fields, isOld),
    keepsAlive: !isOld && connection?.includes("close") !== true,
    knowsChunks: !isOld,
    expectsContinue: !isOld && fields.get("expect")?.toLowerCase() === "100-continue",
  };
}

function urlOf(target: string, fields: HttpFields, isOld: boolean): string {
  const host = fields.get("host");
  if ((host === null && !isOld) || (host !== null && !hostForm.test(host))) {
    // Two of them are joined by a comma and a space, which no host has.
    throw new Http1Error("protocol", "the request names no host, or two");
  }
  if (target.startsWith("/")) {
    return `http://${host === null || host === "" ? "localhost" : host}${target}`;
  }
  if (/^https?:\/\/[^/]/.test(target)) {
    return target;
  }
  throw new Http1Error("protocol", "the request asks for no path");
}

/** A length and chunks together are what requests are smuggled by, and so are two lengths. */
function framingOf(fields: HttpFields, isOld: boolean): Framing {
  const coding = fields.get("transfer-encoding");
  const length = fields.get("content-length");
  if (coding === null) {
    return { kind: "length", bytes: length === null ? 0 : parseLength(length) };
  }
  if (length !== null || isOld || coding.toLowerCase() !== "chunked") {
    throw new Http1Error("protocol", "the request does not say how long its body is");
  }
  return { kind: "chunks" };
}

/** The first position that is no line end: some clients send an empty line behind a body. */
export function skipEmptyLines(bytes: Buffer, at: number): number {
  let next = at;
  while (next < bytes.length && (bytes[next] === 0x0d || bytes[next] === 0x0a)) {
    next += 1;
  }
  return next;
}
