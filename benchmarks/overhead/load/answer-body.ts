/**
 * Takes the frame off an answer's body as it arrives. Proxies cut and join chunks as they like, so
 * a token may lie across two of them.
 */
export interface AnswerBody {
  /** Hands on what is body; true when the body has ended. */
  read(bytes: Buffer, onPayload: (payload: Buffer) => void): boolean;
  /** True when the end of the connection is the end of the body, and no fault. */
  readonly endsWithConnection: boolean;
}

/** The body that a head announces: in chunks, by length, or until the connection closes. */
export function answerBodyOf(head: string): AnswerBody {
  if (/\r\ntransfer-encoding: *chunked\r\n/i.test(head)) return chunkedBody();
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  let missing = length === undefined ? Number.POSITIVE_INFINITY : Number(length);
  return {
    endsWithConnection: length === undefined,
    read(bytes, onPayload) {
      const payload = bytes.subarray(0, Math.min(missing, bytes.length));
      missing -= payload.length;
      if (payload.length > 0) onPayload(payload);
      return missing === 0;
    },
  };
}

const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/** What the next byte of a chunked body belongs to. */
type Place = "size" | "extension" | "payload" | "payload-end" | "last-line";

function chunkedBody(): AnswerBody {
  let place: Place = "size";
  let size = 0;
  let lineBytes = 0;

  /** One byte of framing; true at the end of the body. */
  const step = (byte: number): boolean => {
    if (place === "payload-end") {
      if (byte === lineFeed) place = "size";
    } else if (place === "last-line") {
      // Trailers are lines; an empty one is the end.
      if (byte === lineFeed) {
        if (lineBytes === 0) return true;
        lineBytes = 0;
      } else if (byte !== carriageReturn) lineBytes += 1;
    } else if (byte === lineFeed) {
      place = size === 0 ? "last-line" : "payload";
      lineBytes = 0;
    } else if (place === "size") {
      const digit = digitOf(byte);
      if (digit === undefined) place = "extension";
      else size = size * 16 + digit;
    }
    return false;
  };
  return {
    endsWithConnection: false,
    read(bytes, onPayload) {
      let at = 0;
      while (at < bytes.length) {
        if (place === "payload") {
          const take = Math.min(size, bytes.length - at);
          onPayload(bytes.subarray(at, at + take));
          at += take;
          size -= take;
          if (size === 0) place = "payload-end";
        } else {
          const isEnd = step(bytes[at] ?? 0);
          at += 1;
          if (isEnd) return true;
        }
      }
      return false;
    },
  };
}

function digitOf(byte: number): number | undefined {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : undefined;
}
