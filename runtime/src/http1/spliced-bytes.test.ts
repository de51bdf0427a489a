import { describe, expect, test } from "bun:test";
import { createServer } from "node:net";
import { systemClock } from "../base/index.ts";
import { createHttp1Client, SplicedBytes } from "./index.ts";

describe("SplicedBytes", () => {
  test("is the bytes with the text at its place, however it is taken", () => {
    for (const [text, at, added, whole] of [
      ['{"a":1}', 6, ',"b":"ü→"', '{"a":1,"b":"ü→"}'],
      ["ab", 0, "x", "xab"],
      ["ab", 2, "x", "abx"],
      ["", 0, "", ""],
    ] as const) {
      const spliced = new SplicedBytes(Buffer.from(text), at, added);
      expect(spliced.toBytes().toString()).toBe(whole);
      expect(spliced.length).toBe(Buffer.byteLength(whole));
      expect(Buffer.concat(spliced.pieces()).toString()).toBe(whole);
      const target = Buffer.alloc(spliced.length + 2, "-");
      spliced.copyTo(target, 1);
      expect(target.toString()).toBe(`-${whole}-`);
    }
  });

  test("a short end goes with the text, a long one is not copied", () => {
    const bytes = Buffer.alloc(10_000, "a");
    const lengths = (at: number) =>
      new SplicedBytes(bytes, at, "xyz").pieces().map(({ length }) => length);
    expect(lengths(9_999)).toEqual([9_999, 4]);
    expect(lengths(1_000)).toEqual([1_000, 3, 9_000]);
    const after = new SplicedBytes(bytes, 1_000, "xyz").pieces()[2];
    expect([after?.buffer, after?.byteOffset]).toEqual([bytes.buffer, bytes.byteOffset + 1_000]);
  });

  test.each([20, 300_000])("is sent whole as a body of %d bytes", async (bytes) => {
    const heard = Promise.withResolvers<string>();
    const body = `{"a":"${"x".repeat(bytes)}"}`;
    const whole = `${body.slice(0, -1)},"b":"ü"}`;
    const server = createServer((socket) => {
      let text = "";
      socket.setEncoding("utf8").on("data", (piece: string) => {
        text += piece;
        if (text.endsWith('ü"}')) {
          socket.end("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
          heard.resolve(text);
        }
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const client = createHttp1Client({ keptMs: 1000, idleMaxPerOrigin: 1 }, systemClock);
    try {
      const { port } = server.address() as { port: number };
      const ended = Promise.withResolvers<void>();
      client.send(
        { host: "127.0.0.1", port },
        {
          method: "POST",
          path: "/",
          headers: {},
          body: new SplicedBytes(Buffer.from(body), body.length - 1, ',"b":"ü"'),
        },
        {
          onHead: () => undefined,
          onBody: () => undefined,
          onRead: () => undefined,
          onEnd: ended.resolve,
          onFail: ended.reject,
        },
      );
      const [head, sent] = (await heard.promise).split("\r\n\r\n");
      expect(head).toContain(`content-length: ${Buffer.byteLength(whole)}`);
      expect(sent === whole).toBe(true);
      await ended.promise;
    } finally {
      client.close();
      server.close();
    }
  });
});
