/**
 * One kept-alive HTTP/1.1 connection that sends the same bytes again and again and finds the end of
 * each answer. Far cheaper than `fetch`, so that the load generator is not what is measured.
 */
export interface HttpConnection {
  /** Sends the request; `onAnswer` gets the status, or 0 when the connection broke. */
  send(onAnswer: (status: number) => void): void;
  /** False once either side has closed it. */
  isOpen(): boolean;
  close(): void;
}

const headEnd = Buffer.from("\r\n\r\n");
const chunksEnd = Buffer.from("0\r\n\r\n");

/** Opens a connection that sends `request` on each call. */
export async function openConnection(
  host: string,
  port: number,
  request: Uint8Array,
): Promise<HttpConnection> {
  let received: Buffer = Buffer.alloc(0);
  let waiting: ((status: number) => void) | undefined;
  let unsent: Uint8Array | undefined;
  let open = true;
  /** Bytes of the last good answer: the next one mostly has as many, and need not be read again. */
  let lastGoodBytes = 0;

  const finish = (status: number) => {
    const onAnswer = waiting;
    waiting = undefined;
    received = Buffer.alloc(0);
    onAnswer?.(status);
  };
  const onClose = () => {
    open = false;
    finish(0);
  };
  const socket = await Bun.connect({
    hostname: host,
    port,
    socket: {
      data(_socket, bytes) {
        if (received.length === 0 && bytes.length === lastGoodBytes && isOk(bytes)) {
          finish(200);
          return;
        }
        received = received.length === 0 ? Buffer.from(bytes) : Buffer.concat([received, bytes]);
        const status = completeStatus(received);
        if (status === 200) lastGoodBytes = received.length;
        if (status !== undefined) finish(status);
      },
      drain(draining) {
        if (unsent === undefined) return;
        const written = draining.write(unsent);
        unsent = written < unsent.length ? unsent.subarray(written) : undefined;
      },
      close: onClose,
      error: onClose,
    },
  });
  socket.setNoDelay(true);
  return {
    send(onAnswer) {
      waiting = onAnswer;
      const written = socket.write(request);
      if (written < 0) finish(0);
      else if (written < request.length) unsent = request.subarray(written);
    },
    isOpen: () => open,
    close: () => socket.terminate(),
  };
}

const okStart = Buffer.from("HTTP/1.1 200 ");

/** True when an answer begins with the status 200. */
function isOk(bytes: Buffer): boolean {
  return bytes.compare(okStart, 0, okStart.length, 0, okStart.length) === 0;
}

/** The status of a whole answer, or undefined while some of it is missing. */
export function completeStatus(bytes: Buffer): number | undefined {
  const end = bytes.indexOf(headEnd);
  if (end === -1) return undefined;
  const head = bytes.toString("latin1", 0, end).toLowerCase();
  const status = Number(head.slice(9, 12));
  const length = /\r\ncontent-length: *(\d+)/.exec(head)?.[1];
  if (length !== undefined) return bytes.length >= end + 4 + Number(length) ? status : undefined;
  return bytes.subarray(-chunksEnd.length).equals(chunksEnd) ? status : undefined;
}
