import { describe, expect, test } from "bun:test";
import { seededRandom } from "../base/index.ts";
import type { HttpFields } from "./fields.ts";
import { ResponseParser } from "./parse-response.ts";

interface Seen {
  status: number;
  headers: Record<string, string>;
  body: string;
  isEnded: boolean;
}

function parserOf() {
  const seen: Seen[] = [];
  const last = () => seen.at(-1) as Seen;
  const parser = new ResponseParser({
    onHead: ({ status, fields }) => {
      // The parser makes no other fields.
      const headers = Object.fromEntries((fields as HttpFields).entries());
      seen.push({ status, headers, body: "", isEnded: false });
    },
    onBody: (bytes) => {
      last().body += Buffer.from(bytes).toString();
    },
    onEnd: () => {
      last().isEnded = true;
    },
  });
  return { parser, seen };
}

/** Parses the text cut into pieces of at most `pieceMax` bytes. */
function parse(text: string, pieceMax = text.length) {
  const { parser, seen } = parserOf();
  const random = seededRandom(`${text.length}/${pieceMax}`);
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) {
    const next = Math.min(bytes.length, at + 1 + Math.floor(random.next() * pieceMax));
    parser.push(bytes.subarray(at, next));
    at = next;
  }
  return { parser, seen };
}

const fixed = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\nx-a:  2 \r\n\r\nhello";
const chunked =
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
  "5\r\nhello\r\n6;name=value\r\n world\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n";

describe("ResponseParser", () => {
  test.each([1, 2, 3, 7, 1000])("reads any framing in pieces of up to %i bytes", (pieceMax) => {
    const { parser, seen } = parse(`${fixed}${chunked}${fixed}`, pieceMax);
    expect(seen.map(({ status, body, isEnded }) => [status, body, isEnded])).toEqual([
      [200, "hello", true],
      [200, "hello world0123456789", true],
      [200, "hello", true],
    ]);
    expect(seen[0]?.headers).toEqual({ "content-length": "5", "x-a": "2" });
    expect([parser.isIdle, parser.isReusable]).toEqual([true, true]);
  });

  test("reads the same wherever it is cut in two", () => {
    const text = `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${chunked}${fixed}`;
    const whole = parse(text).seen;
    for (let cut = 1; cut < text.length; cut += 1) {
      const { parser, seen } = parserOf();
      parser.push(Buffer.from(text.slice(0, cut)));
      parser.push(Buffer.from(text.slice(cut)));
      expect(seen).toEqual(whole);
    }
  });

  test("an answer without a length ends with the connection, and only such a one", () => {
    const { parser, seen } = parse("HTTP/1.1 200 OK\r\n\r\nall of it");
    expect([seen[0]?.body, seen[0]?.isEnded, parser.isReusable]).toEqual([
      "all of it",
      false,
      false,
    ]);
    expect([parser.endOfInput(), seen[0]?.isEnded]).toEqual([true, true]);
    expect(parse("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nall").parser.endOfInput()).toBe(
      false,
    );
    expect(parse(chunked.slice(0, -2)).parser.endOfInput()).toBe(false);
  });

  test("interim answers are passed over; 204 and 304 have no body", () => {
    const { seen } = parse(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n",
    );
    expect(seen.map(({ status, isEnded }) => [status, isEnded])).toEqual([
      [204, true],
      [304, true],
    ]);
  });

  test("a connection is of use again unless the answer says it is not", () => {
    const reusable = (head: string) =>
      parse(`${head}\r\nContent-Length: 0\r\n\r\n`).parser.isReusable;
    expect(reusable("HTTP/1.1 200 OK")).toBe(true);
    expect(reusable("HTTP/1.1 200 OK\r\nConnection: Close")).toBe(false);
    expect(reusable("HTTP/1.0 200 OK")).toBe(false);
    expect(reusable("HTTP/1.0 200 OK\r\nConnection: keep-alive")).toBe(true);
  });

  test.each([
    ["no HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n", "not HTTP/1.1"],
    ["a wrong status", "HTTP/1.1 99 No\r\n\r\n", "not HTTP/1.1"],
    ["a folded header", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "no header"],
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "length"],
    ["a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "length"],
    ["an unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "coding"],
    ["no chunk size", `${chunked.slice(0, 47)}\r\n`, "size"],
    ["a chunk size that is none", `${chunked.slice(0, 47)}0x5\r\n`, "size"],
    ["a huge chunk", `${chunked.slice(0, 47)}FFFFFFFFFFFFFFFF\r\n`, "too large"],
    ["a chunk longer than it said", `${chunked.slice(0, 47)}2\r\nhello\r\n`, "where it said"],
    ["an endless head", `HTTP/1.1 200 OK\r\nA: ${"b".repeat(70_000)}`, "bytes"],
    ["an endless size line", `${chunked.slice(0, 47)}5;${"x".repeat(2000)}`, "bytes"],
  ])("refuses %s", (_, text, words) => {
    expect(() => parse(text)).toThrow(words);
    expect(() => parse(text, 100)).toThrow(words);
  });
});
