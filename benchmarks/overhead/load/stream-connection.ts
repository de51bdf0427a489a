import { machineNowUs } from "../clock.ts";
import { readMarks } from "../token-mark.ts";
import { type AnswerBody, answerBodyOf } from "./answer-body.ts";

/** Who listens to one stream. */
export interface StreamListener {
  onToken(number: number, madeUs: number, nowUs: number): void;
  /** The stream is over; `fault` says what was wrong with it. */
  onEnd(fault?: string): void;
}

/** One kept-alive connection that reads one stream after the other. */
export interface StreamConnection {
  start(listener: StreamListener): void;
  /** True when another stream may be started. */
  isFree(): boolean;
  /** Closes at once, as a caller does that is gone. */
  leave(): void;
}

const statusOk = "HTTP/1.1 200";
const headEnd = "\r\n\r\n";
const doneMark = "[DONE]";
/** Characters of a refusal that are kept for the report. */
const refusalCharsMax = 600;

/** Opens a connection that sends `request` for each stream. */
export async function openStreamConnection(
  host: string,
  port: number,
  request: Uint8Array,
): Promise<StreamConnection> {
  let current: Stream | undefined;
  let isOpen = true;

  const onData = (fresh: Buffer) => {
    const end = current?.read(fresh, machineNowUs());
    if (end === undefined) return;
    const { listener } = current ?? {};
    current = undefined;
    if (end.isRefusal) socket.terminate();
    listener?.onEnd(end.fault);
  };
  const onClose = () => {
    isOpen = false;
    const cut = current;
    current = undefined;
    cut?.listener.onEnd(cut.faultWhenClosed());
  };
  const socket = await Bun.connect({
    hostname: host,
    port,
    socket: { data: (_socket, bytes) => onData(bytes), close: onClose, error: onClose },
  });
  socket.setNoDelay(true);
  return {
    start(listener) {
      current = createStream(listener);
      // Requests of streams are small enough for the socket's own buffer.
      if (socket.write(request) === request.length) return;
      current = undefined;
      listener.onEnd("the request was not taken whole");
    },
    isFree: () => isOpen && current === undefined,
    leave: () => socket.terminate(),
  };
}

/** One answer as it arrives. */
interface Stream {
  readonly listener: StreamListener;
  /** Takes bytes; says so when the stream is over. */
  read(bytes: Buffer, nowUs: number): StreamEnd | undefined;
  faultWhenClosed(): string | undefined;
}

interface StreamEnd {
  readonly fault?: string;
  readonly isRefusal: boolean;
}

function createStream(listener: StreamListener): Stream {
  let head = "";
  let body: AnswerBody | undefined;
  /** Payload that may be the beginning of something that is not whole yet. */
  let tail: Buffer = Buffer.alloc(0);
  let isDone = false;

  const onPayload = (payload: Buffer, nowUs: number) => {
    const bytes = tail.length === 0 ? payload : Buffer.concat([tail, payload]);
    const read = readMarks(bytes, (number, madeUs) => listener.onToken(number, madeUs, nowUs));
    isDone ||= bytes.includes(doneMark);
    tail = Buffer.from(bytes.subarray(Math.min(read, Math.max(0, bytes.length - doneMark.length))));
  };
  const faultAtEnd = () => (isDone ? undefined : "the stream ended without saying so");
  return {
    listener,
    read(bytes, nowUs) {
      let rest = bytes;
      if (body === undefined) {
        head += bytes.toString("latin1");
        const end = head.indexOf(headEnd);
        if (end === -1) return undefined;
        if (!head.startsWith(statusOk)) {
          return { fault: head.slice(0, refusalCharsMax), isRefusal: true };
        }
        rest = Buffer.from(head.slice(end + headEnd.length), "latin1");
        body = answerBodyOf(head.slice(0, end + 2));
      }
      const hasEnded = body.read(rest, (payload) => onPayload(payload, nowUs));
      if (!hasEnded) return undefined;
      const fault = faultAtEnd();
      return { isRefusal: false, ...(fault === undefined ? {} : { fault }) };
    },
    faultWhenClosed: () =>
      body?.endsWithConnection === true
        ? faultAtEnd()
        : "the connection closed before the end of the stream",
  };
}
