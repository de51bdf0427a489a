/** Goal: frames survive any cut of the byte stream, and nothing unbounded or malformed gets in. */
import { describe, expect, test } from "bun:test";
import { seededRandom } from "../base/index.ts";
import { ZmtpFault } from "./fault.ts";
import { createFrameReader, encodeCommand, encodeMessage, type Frame } from "./frames.ts";

const bytesMax = 100_000;

describe("frames", () => {
  const message = [
    new Uint8Array(),
    Uint8Array.of(1, 2, 3),
    filled(255),
    filled(256),
    new Uint8Array(),
  ];
  const encoded = Buffer.concat([encodeMessage(message), encodeCommand(Uint8Array.of(1, 65))]);

  test("are read back, whatever the byte at which the stream is cut", () => {
    for (let cut = 0; cut <= encoded.length; cut++) {
      const frames = read([encoded.subarray(0, cut), encoded.subarray(cut)]);
      expect(frames.map(({ body }) => body)).toEqual([...message, Uint8Array.of(1, 65)]);
      expect(frames.map(({ hasMore }) => hasMore)).toEqual([true, true, true, true, false, false]);
      expect(frames.map(({ isCommand }) => isCommand)).toEqual([...Array(5).fill(false), true]);
    }
  });

  test("are read back byte by byte and in random pieces", () => {
    const bytes = [...encoded].map((byte) => Uint8Array.of(byte));
    expect(read(bytes).map(({ body }) => body.length)).toEqual([0, 3, 255, 256, 0, 2]);
    const random = seededRandom(7);
    for (let round = 0; round < 200; round++) {
      const pieces: Uint8Array[] = [];
      for (let at = 0; at < encoded.length; ) {
        const count = Math.floor(random.next() * 90);
        pieces.push(encoded.subarray(at, at + count));
        at += count;
      }
      expect(read(pieces).map(({ body }) => body.length)).toEqual([0, 3, 255, 256, 0, 2]);
    }
  });

  test("have the bytes of RFC 23", () => {
    expect(hex(encodeMessage([Uint8Array.of(7), Uint8Array.of(8)]))).toBe("010107000108");
    expect(hex(encodeMessage([filled(256)])).slice(0, 18)).toBe("020000000000000100");
    expect(hex(encodeCommand(Uint8Array.of(1, 65)))).toBe("04020141");
  });

  test("above the bound are refused before their body is there", () => {
    const header = Uint8Array.of(2, 0, 0, 0, 0, 0, 1, 0x86, 0xa1);
    expect(() => read([header])).toThrow("a frame of 100001 bytes, and 100000 are accepted");
    const absurd = Uint8Array.of(2, ...Array<number>(8).fill(0xff));
    expect(faultOf(() => read([absurd]))?.kind).toBe("too-large");
  });

  test("with unknown flags, or commands in parts, are refused", () => {
    expect(faultOf(() => read([Uint8Array.of(8)]))?.kind).toBe("protocol");
    expect(faultOf(() => read([Uint8Array.of(5)]))?.message).toContain("a command that says");
  });
});

function read(chunks: readonly Uint8Array[]): Frame[] {
  const frames: Frame[] = [];
  const reader = createFrameReader(bytesMax);
  for (const chunk of chunks) reader.push(chunk, (frame) => frames.push(frame));
  return frames;
}

function filled(bytes: number): Uint8Array {
  return new Uint8Array(bytes).map((_, index) => index);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function faultOf(run: () => unknown): ZmtpFault | undefined {
  try {
    run();
  } catch (error) {
    if (error instanceof ZmtpFault) return error;
    throw error;
  }
  return undefined;
}
