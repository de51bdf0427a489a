import { machineNowUs } from "../clock.ts";
import { readMarks } from "../token-mark.ts";

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
const doneMark = Buffer.from("[DONE]");
const lastChunk = Buffer.from("0\r\n\r\n");
/** Bytes kept back, so that an end that arrives in two pieces is seen. */
const keptBytes = lastChunk.length;

/** Opens a connection that sends `request` for each stream. */
export async function openStreamConnection(
  host: string,
  port: number,
  request: Uint8Array,
): Promise<StreamConnection> {
  let listener: StreamListener | undefined;
  let isOpen = true;
  let hasHead = false;
  let isDone = false;
  let tail: Buffer = Buffer.alloc(0);

  const end = (fault?: string) => {
    const ended = listener;
    listener = undefined;
    ended?.onEnd(fault);
  };
  const onClose = () => {
    isOpen = false;
    end(isDone ? undefined : "the connection closed before the end of the stream");
  };
  const onData = (fresh: Buffer) => {
    if (listener === undefined) return;
    const nowUs = machineNowUs();
    const bytes = tail.length === 0 ? fresh : Buffer.concat([tail, fresh]);
    if (!hasHead) {
      hasHead = true;
      const status = bytes.toString("latin1", 0, statusOk.length);
      if (status !== statusOk) {
        end(bytes.toString("latin1", 0, 600));
        socket.terminate();
        return;
      }
    }
    const { onToken } = listener;
    const read = readMarks(bytes, (number, madeUs) => onToken(number, madeUs, nowUs));
    isDone ||= bytes.includes(doneMark);
    if (isDone && bytes.subarray(-lastChunk.length).equals(lastChunk)) {
      tail = Buffer.alloc(0);
      end();
      return;
    }
    tail = Buffer.from(bytes.subarray(Math.max(0, Math.min(read, bytes.length - keptBytes))));
  };
  const socket = await Bun.connect({
    hostname: host,
    port,
    socket: { data: (_socket, bytes) => onData(bytes), close: onClose, error: onClose },
  });
  socket.setNoDelay(true);
  return {
    start(next) {
      listener = next;
      hasHead = false;
      isDone = false;
      tail = Buffer.alloc(0);
      // Requests of streams are small enough for the socket's own buffer.
      if (socket.write(request) < request.length) end("the request was not taken whole");
    },
    isFree: () => isOpen && listener === undefined,
    leave: () => socket.terminate(),
  };
}
