import type { Socket } from "bun";
import { fieldLine } from "./fields.ts";
import { Outbox } from "./outbox.ts";
import { ResponseParser, type ResponseParts } from "./parse-response.ts";
import {
  Http1Error,
  type Http1Exchange,
  type Http1Head,
  type Http1Request,
  type Http1Sink,
  type Origin,
} from "./types.ts";

/** What a connection tells its owner. */
export interface ConnectionEvents {
  /** It is ready for another request. */
  onFree(connection: ClientConnection): void;
  onClosed(connection: ClientConnection): void;
}

/** Opens a connection. Rejects with `Http1Error` of kind `unreachable`. */
export async function openConnection(
  origin: Origin,
  events: ConnectionEvents,
  nowMs: () => number,
): Promise<ClientConnection> {
  const connection = new ClientConnection(origin, events, nowMs);
  try {
    await Bun.connect({
      hostname: origin.host,
      port: origin.port,
      data: connection,
      socket: handlers,
    });
  } catch (error) {
    throw new Http1Error("unreachable", `no connection (${codeOf(error)})`);
  }
  return connection;
}

function codeOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : String(error);
}

/** One set for all sockets: each carries its connection. */
const handlers = {
  open(socket: Socket<ClientConnection>) {
    // A token must not wait for the one after it.
    socket.setNoDelay(true);
    socket.data.opened(socket);
  },
  data(socket: Socket<ClientConnection>, bytes: Buffer) {
    socket.data.read(bytes);
  },
  drain(socket: Socket<ClientConnection>) {
    socket.data.drained();
  },
  end(socket: Socket<ClientConnection>) {
    socket.data.closed();
  },
  close(socket: Socket<ClientConnection>, error?: Error) {
    socket.data.closed(error);
  },
  error(socket: Socket<ClientConnection>, error: Error) {
    socket.data.closed(error);
  },
};

/** One connection to an origin, which carries one request at a time. */
export class ClientConnection implements ResponseParts {
  readonly #authority: string;
  readonly #events: ConnectionEvents;
  readonly #nowMs: () => number;
  readonly #parser = new ResponseParser(this);
  readonly #outbox = new Outbox();
  #socket: Socket<ClientConnection> | undefined;
  #sink: Http1Sink | undefined;
  #isClosed = false;
  #isPaused = false;
  /** When the last answer ended, or when it opened. */
  idleSinceMs: number;

  constructor({ host, port, authority }: Origin, events: ConnectionEvents, nowMs: () => number) {
    this.#authority = authority ?? `${host.includes(":") ? `[${host}]` : host}:${port}`;
    this.#events = events;
    this.#nowMs = nowMs;
    this.idleSinceMs = nowMs();
  }

  /** False once it has ended, whoever ended it. */
  get isOpen(): boolean {
    return !this.#isClosed;
  }

  /** True while it is open, idle, and nobody has said that it will close. */
  get isReady(): boolean {
    return (
      !this.#isClosed &&
      this.#socket !== undefined &&
      this.#sink === undefined &&
      this.#parser.isReusable &&
      this.#parser.isIdle &&
      this.#outbox.heldBytes === 0
    );
  }

  /** Sends; only while ready. */
  send(request: Http1Request, sink: Http1Sink): Http1Exchange {
    const head = headOf(this.#authority, request);
    this.#sink = sink;
    this.#outbox.writeHead(head, request.body);
    return new Exchange(this, sink);
  }

  isServing(sink: Http1Sink): boolean {
    return this.#sink === sink;
  }

  pause(): void {
    this.#isPaused = true;
    this.#socket?.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#socket?.resume();
  }

  /** Closes without a word to whoever waits for an answer. */
  close(): void {
    this.#sink = undefined;
    this.#socket?.terminate();
    this.closed();
  }

  opened(socket: Socket<ClientConnection>): void {
    this.#socket = socket;
    this.#outbox.attach(socket);
  }

  read(bytes: Buffer): void {
    if (this.#isClosed) {
      return;
    }
    const sink = this.#sink;
    try {
      this.#parser.push(bytes);
    } catch (error) {
      if (!(error instanceof Http1Error)) {
        throw error;
      }
      const failed = this.#sink;
      this.close();
      failed?.onFail(error);
      if (failed !== undefined) {
        return;
      }
    }
    sink?.onRead();
  }

  drained(): void {
    this.#outbox.drain();
  }

  /** The connection has ended, whoever ended it; by an error if one is given. */
  closed(error?: Error): void {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    this.#outbox.clear();
    const sink = this.#sink;
    // The proper end of an answer without a length: the parser tells the sink. An error is none.
    if (sink !== undefined && (error !== undefined || !this.#parser.endOfInput())) {
      this.#sink = undefined;
      const code = error === undefined ? "" : ` (${codeOf(error)})`;
      sink.onFail(new Http1Error("died", `the connection broke${code}`));
    }
    this.#socket?.end();
    this.#events.onClosed(this);
  }

  onHead(head: Http1Head): void {
    if (this.#sink === undefined) {
      throw new Http1Error("protocol", "the upstream answered what it was not asked");
    }
    this.#sink.onHead(head);
  }

  onBody(bytes: Buffer): void {
    this.#sink?.onBody(bytes);
  }

  onEnd(): void {
    const sink = this.#sink;
    this.#sink = undefined;
    this.idleSinceMs = this.#nowMs();
    if (!this.#isClosed) {
      if (this.#isPaused) {
        // Its end came in the very read after which no more was wanted: the next answer is.
        this.resume();
      }
      // An answer that came before its request was sent whole leaves the rest of it in the way.
      if (this.isReady) {
        this.#events.onFree(this);
      } else {
        this.close();
      }
    }
    sink?.onEnd();
  }
}

class Exchange implements Http1Exchange {
  readonly #connection: ClientConnection;
  readonly #sink: Http1Sink;

  constructor(connection: ClientConnection, sink: Http1Sink) {
    this.#connection = connection;
    this.#sink = sink;
  }

  pause(): void {
    if (this.#connection.isServing(this.#sink)) {
      this.#connection.pause();
    }
  }

  resume(): void {
    if (this.#connection.isServing(this.#sink)) {
      this.#connection.resume();
    }
  }

  abort(): void {
    if (this.#connection.isServing(this.#sink)) {
      this.#connection.close();
    }
  }
}

function headOf(authority: string, { method, path, headers, body }: Http1Request): string {
  let text = `${method} ${path} HTTP/1.1\r\nhost: ${authority}\r\ncontent-length: ${body.length}\r\n`;
  for (const name in headers) {
    text += fieldLine(name, headers[name] ?? "");
  }
  return `${text}\r\n`;
}
