/**
 * Goal: the instrument is honest. Tokens lost, doubled or cut are seen, requests are cut rightly
 * from any pieces, and the whole bench runs on its smallest plan against the real system.
 */
import { describe, expect, test } from "bun:test";
import { formatReport } from "../report/report.ts";
import { type Contender, direct } from "./contenders.ts";
import { interruptionOf } from "./interrupt.ts";
import { answerBodyOf } from "./load/answer-body.ts";
import { chatBody } from "./load/chat-body.ts";
import { completeStatus } from "./load/http-connection.ts";
import { measureOverhead } from "./measure.ts";
import { runOverhead, tinyPlan } from "./overhead.ts";
import { summariseBody, summariseStreams } from "./summary.ts";
import { blankMark, readMarks, writeMark } from "./token-mark.ts";
import { createRequestReader, type MockRequest } from "./upstream/http-requests.ts";

/** Cold start of an embedded database on a busy machine. */
const bootTimeoutMs = 180_000;
const onProgress = () => undefined;

test(
  "every contender answers every request and every token, and the report names what it does not measure",
  async () => {
    const report = await runOverhead(tinyPlan, { mayInstall: false, onProgress });
    const failures = report.figures.filter(({ name }) => name.endsWith(".failures"));
    expect(failures.map(({ value }) => value)).toEqual(failures.map(() => 0));
    expect(report.rounds).toHaveLength(3 - report.absent.length);
    expect(report.figures.map(({ name }) => name)).toContain(
      "overhead.warmpath.leave.midway.uncut",
    );
    expect(formatReport(report)).toContain("Not measured:");
  },
  bootTimeoutMs,
);

/** A body of unknown length, as streams have. */
function inOnePiece(text: string): ReadableStream<string> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(text);
      controller.close();
    },
  });
}

/** A proxy that relays badly: `mend` may change what comes from the upstream. */
function proxyThat(mend: (text: string) => string): Contender {
  return {
    name: "bad",
    what: "a relay with a fault",
    async start(upstreamUrl) {
      const server = Bun.serve({
        hostname: "127.0.0.1",
        port: 0,
        async fetch(request) {
          const { pathname } = new URL(request.url);
          const body = await request.arrayBuffer();
          const answer = await fetch(upstreamUrl + pathname, { method: "POST", body });
          const headers = { "content-type": answer.headers.get("content-type") ?? "" };
          const text = mend(await answer.text());
          const isStream = headers["content-type"].startsWith("text/event-stream");
          return new Response(isStream ? inOnePiece(text) : text, { headers });
        },
      });
      const url = `http://127.0.0.1:${server.port}`;
      return { url, headers: {}, stop: () => server.stop(true) };
    },
  };
}

test(
  "a relay that loses one token of a stream has failed, and no other contender is blamed",
  async () => {
    const { leave: _, ...plan } = { ...tinyPlan, bodies: tinyPlan.bodies.slice(0, 1) };
    const withoutThird = (text: string) =>
      text
        .split("\n\n")
        .filter((event) => !event.includes("@00002:"))
        .join("\n\n");
    const { rounds, faults } = await measureOverhead(
      [direct, proxyThat(withoutThird)],
      plan,
      onProgress,
    );
    expect(faults).toEqual([]);
    expect(summariseStreams(rounds, "direct", 4).failures).toBe(0);
    const bad = summariseStreams(rounds, "bad", 4);
    expect(bad.failures).toBeGreaterThan(0);
    expect(bad.remark).toContain("failures");
    expect(summariseBody(rounds, "bad", 1_000).failures).toBe(0);
  },
  bootTimeoutMs,
);

test("a contender that does not start is a fault with its own words; the others are measured", async () => {
  const broken: Contender = {
    name: "broken",
    what: "nothing",
    start: () => Promise.reject(new Error("the port is on fire")),
  };
  const { leave: _, ...plan } = { ...tinyPlan, bodies: [], streams: [] };
  const { rounds, faults } = await measureOverhead([direct, broken], plan, onProgress);
  expect(rounds.map(({ contender }) => contender)).toEqual(["direct"]);
  expect(faults).toEqual([{ round: 1, contender: "broken", reason: "the port is on fire" }]);
});

test("an interruption keeps what is finished, waits for nobody and blames nobody", async () => {
  const stopped = new AbortController();
  const endless: Contender = {
    name: "endless",
    what: "never ready",
    start: () => {
      stopped.abort();
      return Promise.withResolvers<never>().promise;
    },
  };
  const { leave: _, ...plan } = { ...tinyPlan, rounds: 2, bodies: [], streams: [] };
  const contenders = [direct, endless, direct];
  const { rounds, faults } = await measureOverhead(contenders, plan, onProgress, stopped.signal);
  expect(rounds.map(({ contender, round }) => [contender, round])).toEqual([["direct", 1]]);
  expect(faults).toEqual([]);
  expect(interruptionOf(stopped.signal, rounds.length, 6)).toEqual({
    interrupted: "interrupted: 1 of 6 measurements were finished",
  });
  expect(interruptionOf(undefined, 6, 6)).toEqual({});
});

test("a body has exactly the bytes asked for, in messages of an agent's size", () => {
  for (const bytes of [1_000, 10_000, 150_000, 1_000_000]) {
    for (const stream of [true, false]) {
      const body = chatBody(bytes, { stream });
      expect(body).toHaveLength(bytes);
      const { messages } = JSON.parse(body) as { messages: { content: string }[] };
      for (const { content } of messages) expect(content.length).toBeLessThan(4_100);
    }
  }
});

test("marks of tokens are read back, and one that is cut is left for later", () => {
  const bytes = Buffer.from(`{"content":"${blankMark}"} a@b.c {"content":"${blankMark}"}`);
  writeMark(bytes, bytes.indexOf("@"), 41, 1_700_000_000_123_456);
  writeMark(bytes, bytes.lastIndexOf("@"), 42, 1_700_000_000_123_999);
  const seen: number[][] = [];
  const onMark = (number: number, madeUs: number) => seen.push([number, madeUs]);
  const cutAt = bytes.length - 5;
  const read = readMarks(bytes.subarray(0, cutAt), onMark);
  expect(readMarks(bytes.subarray(read), onMark)).toBe(bytes.length - read);
  expect(seen).toEqual([
    [41, 1_700_000_000_123_456],
    [42, 1_700_000_000_123_999],
  ]);
});

describe("the mock upstream's eye for requests", () => {
  const byLength = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
  const inChunks =
    "POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n";
  const bare = "GET /c HTTP/1.1\r\nHost: x\r\n\r\n";
  for (const pieceBytes of [1, 2, 3, 7, 1000]) {
    test(`three requests in pieces of ${pieceBytes}`, () => {
      const seen: MockRequest[] = [];
      const read = createRequestReader(
        () => true,
        (request) => seen.push(request),
      );
      const all = Buffer.from(byLength + inChunks + bare);
      for (let at = 0; at < all.length; at += pieceBytes) read(all.subarray(at, at + pieceBytes));
      expect(seen).toEqual([
        { path: "/a", body: "hello" },
        { path: "/b", body: "hello" },
        { path: "/c", body: "" },
      ]);
    });
  }
});

describe("the frame of a streamed answer is taken off, however it is cut", () => {
  const text = "data: one\n\ndata: two\n\n";
  const inChunks = (bytes: number) => {
    let framed = "";
    for (let at = 0; at < text.length; at += bytes) {
      const part = text.slice(at, at + bytes);
      framed += `${part.length.toString(16).toUpperCase()};x=1\r\n${part}\r\n`;
    }
    return `${framed}0\r\nTrailer: x\r\n\r\n`;
  };
  const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n";
  for (const [chunkBytes, pieceBytes] of [
    [1, 1],
    [3, 2],
    [11, 5],
    [100, 7],
    [100, 1000],
  ] as const) {
    test(`chunks of ${chunkBytes}, read in pieces of ${pieceBytes}`, () => {
      const body = answerBodyOf(chunked);
      const bytes = Buffer.from(inChunks(chunkBytes));
      let seen = "";
      const ends: boolean[] = [];
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        const piece = bytes.subarray(at, at + pieceBytes);
        ends.push(body.read(piece, (payload) => (seen += payload.toString())));
      }
      expect(seen).toBe(text);
      expect(ends.indexOf(true)).toBe(ends.length - 1);
    });
  }

  test("by length, and until the connection closes", () => {
    const seen: string[] = [];
    const keep = (payload: Buffer) => seen.push(payload.toString());
    const byLength = answerBodyOf("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n");
    expect([byLength.read(Buffer.from("ab"), keep), byLength.read(Buffer.from("c"), keep)]).toEqual(
      [false, true],
    );
    const untilClose = answerBodyOf("HTTP/1.1 200 OK\r\n");
    expect(untilClose.read(Buffer.from("d"), keep)).toBe(false);
    expect(untilClose.endsWithConnection).toBe(true);
    expect(seen).toEqual(["ab", "c", "d"]);
  });
});

describe("the load generator's eye for the end of an answer", () => {
  const cases: [string, string, number | undefined][] = [
    ["whole, by length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200],
    ["cut, by length", "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok", undefined],
    ["without a body", "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n", 503],
    [
      "whole, in chunks",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
      200,
    ],
    [
      "cut, in chunks",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
      undefined,
    ],
    ["cut in its head", "HTTP/1.1 200 OK\r\ncontent-le", undefined],
  ];
  for (const [name, text, status] of cases) {
    test(name, () => expect(completeStatus(Buffer.from(text))).toBe(status));
  }
});
