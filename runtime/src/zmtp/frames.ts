/**
 * The framing of ZMTP 3 (RFC 23, section "Framing"): a flags byte, a length of one byte or, with
 * the LONG flag, of eight, then the body. Pure; knows no sockets.
 */
import { ZmtpFault } from "./fault.ts";

const moreFlag = 0x01;
const longFlag = 0x02;
const commandFlag = 0x04;
const knownFlags = moreFlag | longFlag | commandFlag;

/** Longest body whose length fits in one byte. */
const shortBytesMax = 255;

/** One frame as read. Its body may share memory with what was pushed. */
export interface Frame {
  readonly isCommand: boolean;
  /** Another frame of the same message follows. */
  readonly hasMore: boolean;
  readonly body: Uint8Array;
}

/** The bytes of a message of one or more frames. */
export function encodeMessage(frames: readonly Uint8Array[]): Uint8Array {
  let bytes = 0;
  for (const frame of frames) bytes += headerBytes(frame.length) + frame.length;
  const encoded = new Uint8Array(bytes);
  let offset = 0;
  for (const [index, frame] of frames.entries()) {
    const flags = index < frames.length - 1 ? moreFlag : 0;
    offset = writeFrame(encoded, offset, flags, frame);
  }
  return encoded;
}

/** The bytes of one command frame. */
export function encodeCommand(body: Uint8Array): Uint8Array {
  const encoded = new Uint8Array(headerBytes(body.length) + body.length);
  writeFrame(encoded, 0, commandFlag, body);
  return encoded;
}

function headerBytes(bodyBytes: number): number {
  return bodyBytes > shortBytesMax ? 9 : 2;
}

function writeFrame(into: Uint8Array, offset: number, flags: number, body: Uint8Array): number {
  let at = offset;
  if (body.length > shortBytesMax) {
    into[at] = flags | longFlag;
    new DataView(into.buffer, into.byteOffset).setBigUint64(at + 1, BigInt(body.length));
    at += 9;
  } else {
    into[at] = flags;
    into[at + 1] = body.length;
    at += 2;
  }
  into.set(body, at);
  return at + body.length;
}

/** Cuts a stream of bytes into frames, however the bytes arrive. */
export interface FrameReader {
  /**
   * Hands every frame that `chunk` completes to `take`, in order. Throws {@link ZmtpFault}, after
   * which the reader is of no more use.
   */
  push(chunk: Uint8Array, take: (frame: Frame) => void): void;
}

/** A reader that refuses bodies above `frameBytesMax` before it makes room for them. */
export function createFrameReader(frameBytesMax: number): FrameReader {
  const header = new Uint8Array(9);
  let headerFilled = 0;
  /** The body under way, when it did not come in one piece. */
  let body: Uint8Array | undefined;
  let bodyFilled = 0;

  const flagsOf = (): Omit<Frame, "body"> => ({
    isCommand: (header[0]! & commandFlag) !== 0,
    hasMore: (header[0]! & moreFlag) !== 0,
  });

  return {
    push(chunk, take) {
      let at = 0;
      while (at < chunk.length) {
        if (body !== undefined) {
          const count = Math.min(body.length - bodyFilled, chunk.length - at);
          body.set(chunk.subarray(at, at + count), bodyFilled);
          bodyFilled += count;
          at += count;
          if (bodyFilled < body.length) return;
          const whole = body;
          body = undefined;
          headerFilled = 0;
          take({ ...flagsOf(), body: whole });
          continue;
        }
        header[headerFilled++] = chunk[at++]!;
        if (headerFilled === 1) checkFlags(header[0]!);
        const isLong = (header[0]! & longFlag) !== 0;
        if (headerFilled < (isLong ? 9 : 2)) continue;
        const bodyBytes = lengthIn(header, isLong);
        if (bodyBytes > frameBytesMax) {
          const fault = `a frame of ${bodyBytes} bytes, and ${frameBytesMax} are accepted`;
          throw new ZmtpFault("too-large", fault);
        }
        if (chunk.length - at >= bodyBytes) {
          headerFilled = 0;
          at += bodyBytes;
          take({ ...flagsOf(), body: chunk.subarray(at - bodyBytes, at) });
        } else {
          body = new Uint8Array(bodyBytes);
          bodyFilled = 0;
        }
      }
    },
  };
}

function checkFlags(flags: number): void {
  if ((flags & ~knownFlags) !== 0) {
    throw new ZmtpFault("protocol", `a frame with the unknown flags 0x${flags.toString(16)}`);
  }
  if ((flags & commandFlag) !== 0 && (flags & moreFlag) !== 0) {
    throw new ZmtpFault("protocol", "a command that says more of it follows");
  }
}

function lengthIn(header: Uint8Array, isLong: boolean): number {
  if (!isLong) return header[1]!;
  // Lengths above 2^53 lose digits here and are refused all the same.
  return Number(new DataView(header.buffer).getBigUint64(1));
}
