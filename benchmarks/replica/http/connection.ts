import { STATUS_CODES } from "node:http";
import { decodeChunks, findHead, type RequestHead } from "./parse-request.ts";
import type { HttpReply, HttpRequest, ReplyBody } from "./types.ts";

/** What a connection needs from the server that accepted it. */
export interface ConnectionHost {
  /** Largest body, in bytes. */
  readonly bodyBytesMax: number;
  /** Value of the `date` header. */
  date(): string;
  answer(request: HttpRequest): Promise<HttpReply>;
  /** True while nothing may be answered, except what `isControl` says. */
  readonly isFrozen: boolean;
  isControl(path: string): boolean;
  /** The connection waits for its next request, or no longer does. */
  onIdle(connection: Connection, isIdle: boolean): void;
}

/** The part of a socket that a connection uses. */
export interface ConnectionSocket {
  write(bytes: Uint8Array): number;
  end(): void;
  terminate(): void;
}

/** One client's connection: reads requests one after the other and answers each in turn. */
export class Connection {
  readonly #host: ConnectionHost;
  readonly #socket: ConnectionSocket;
  /** What came and was not looked at; several reads are joined only when a request is whole. */
  #received: Buffer[] = [];
  #receivedBytes = 0;
  /** The head of the request that is being read. */
  #head: RequestHead | undefined;
  /** Set while a request is being answered. */
  #current: AbortController | undefined;
  #isAnsweringControl = false;
  #unsent: Buffer[] = [];
  #closesWhenSent = false;
  #isClosed = false;

  constructor(host: ConnectionHost, socket: ConnectionSocket) {
    this.#host = host;
    this.#socket = socket;
  }

  /** Bytes came in. */
  receive(bytes: Uint8Array): void {
    // The socket reuses its memory after the call.
    const copy = Buffer.from(bytes);
    this.#received.push(copy);
    this.#receivedBytes += copy.length;
    this.readNext();
  }

  /** The socket takes more, or the server is no longer frozen. */
  drain(): void {
    if (this.#isHeld()) return;
    const unsent = this.#unsent;
    this.#unsent = [];
    for (const bytes of unsent) this.#send(bytes);
    if (this.#unsent.length === 0 && this.#closesWhenSent) this.end();
  }

  /** The client is gone, or the connection was cut. */
  closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#host.onIdle(this, false);
    this.#current?.abort(new DOMException("the client left", "AbortError"));
  }

  /** Closes the socket at once. */
  cut(): void {
    this.#socket.terminate();
    this.closed();
  }

  /** Ends a connection that waits for a request, as a server does that has waited long enough. */
  end(): void {
    this.#socket.end();
    this.closed();
  }

  /** Reads the next request if it is there and nothing is being answered. */
  readNext(): void {
    if (this.#current !== undefined || this.#isClosed) return;
    if (this.#head === undefined) this.#readHead();
    const head = this.#head;
    if (head === undefined) return;
    if (this.#host.isFrozen && !this.#host.isControl(pathOf(head))) return;
    if (head.bodyLength === "chunked") this.#readChunks(head);
    else if (this.#receivedBytes >= head.bodyLength) {
      const received = this.#joined();
      this.#keep(received.subarray(head.bodyLength));
      this.#begin(head, received.subarray(0, head.bodyLength));
    }
  }

  #readHead(): void {
    const received = this.#joined();
    if (received.length === 0) return;
    const found = findHead(received);
    if (found.kind === "incomplete") return;
    if (found.kind === "malformed") {
      this.#refuse(400, "Invalid HTTP request received.");
      return;
    }
    this.#host.onIdle(this, false);
    this.#keep(received.subarray(found.end));
    if (Number(found.head.bodyLength) > this.#host.bodyBytesMax) {
      this.#refuse(413, "Request body too large");
      return;
    }
    this.#head = found.head;
    if (found.head.headers.get("expect")?.toLowerCase() === "100-continue") {
      this.#send(Buffer.from("HTTP/1.1 100 Continue\r\n\r\n"));
    }
  }

  #readChunks(head: RequestHead): void {
    const received = this.#joined();
    const decoded = decodeChunks(received);
    if (decoded === "malformed") this.#refuse(400, "Invalid HTTP request received.");
    else if (received.length > this.#host.bodyBytesMax) {
      this.#refuse(413, "Request body too large");
    } else if (decoded !== undefined) {
      this.#keep(received.subarray(decoded.end));
      this.#begin(head, decoded.body);
    }
  }

  #begin(head: RequestHead, body: Buffer): void {
    this.#head = undefined;
    const current = new AbortController();
    this.#current = current;
    const path = pathOf(head);
    this.#isAnsweringControl = this.#host.isControl(path);
    const { method, headers, target } = head;
    const request = {
      method,
      path,
      query: new URLSearchParams(target.slice(path.length)),
      headers,
      body,
      signal: current.signal,
    };
    void this.#host.answer(request).then((reply) => this.#reply(reply, head, current));
  }

  #reply(reply: HttpReply, head: RequestHead, current: AbortController): void {
    if (current.signal.aborted) return;
    if ("cut" in reply) {
      this.cut();
      return;
    }
    const status = `${reply.status} ${STATUS_CODES[reply.status] ?? "Unknown"}`;
    const lines = [`HTTP/1.1 ${status}`, `date: ${this.#host.date()}`];
    for (const [name, value] of Object.entries(reply.headers)) lines.push(`${name}: ${value}`);
    if (!head.keepsAlive) lines.push("connection: close");
    if ("body" in reply) {
      const body = Buffer.from(reply.body);
      lines.push(`content-length: ${body.length}`, "", "");
      const isBodiless = head.method === "HEAD";
      const headBytes = Buffer.from(lines.join("\r\n"), "latin1");
      this.#send(isBodiless ? headBytes : Buffer.concat([headBytes, body]));
      this.#finish(head);
      return;
    }
    lines.push("transfer-encoding: chunked", "", "");
    this.#send(Buffer.from(lines.join("\r\n"), "latin1"));
    reply.begin(this.#body(head, current));
  }

  #body(head: RequestHead, current: AbortController): ReplyBody {
    let isOver = false;
    return {
      write: (texts) => {
        if (isOver || current.signal.aborted || texts.length === 0) return;
        this.#send(Buffer.from(texts.map(chunk).join("")));
      },
      end: () => {
        if (isOver || current.signal.aborted) return;
        isOver = true;
        this.#send(lastChunk);
        this.#finish(head);
      },
      cut: () => {
        if (isOver || current.signal.aborted) return;
        isOver = true;
        this.cut();
      },
    };
  }

  #finish(head: RequestHead): void {
    this.#current = undefined;
    this.#isAnsweringControl = false;
    if (!head.keepsAlive) {
      this.#close();
      return;
    }
    this.#host.onIdle(this, true);
    if (this.#receivedBytes > 0) queueMicrotask(() => this.readNext());
  }

  #refuse(status: number, text: string): void {
    const headers = "content-type: text/plain; charset=utf-8\r\nconnection: close";
    const first = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`;
    this.#send(Buffer.from(`${first}\r\n${headers}\r\n\r\n${text}`));
    this.#close();
  }

  #close(): void {
    this.#closesWhenSent = true;
    if (this.#unsent.length === 0) this.end();
  }

  #isHeld(): boolean {
    return this.#host.isFrozen && !this.#isAnsweringControl;
  }

  #send(bytes: Buffer): void {
    if (this.#isClosed) return;
    if (this.#unsent.length > 0 || this.#isHeld()) {
      this.#unsent.push(bytes);
      return;
    }
    const sent = Math.max(0, this.#socket.write(bytes));
    if (sent < bytes.length) this.#unsent.push(bytes.subarray(sent));
  }

  #joined(): Buffer {
    const [first, ...rest] = this.#received;
    if (first === undefined) return Buffer.alloc(0);
    if (rest.length === 0) return first;
    const whole = Buffer.concat(this.#received);
    this.#received = [whole];
    return whole;
  }

  #keep(rest: Buffer): void {
    this.#received = rest.length === 0 ? [] : [rest];
    this.#receivedBytes = rest.length;
  }
}

function pathOf(head: RequestHead): string {
  return head.target.split("?", 1)[0] ?? "";
}

const lastChunk = Buffer.from("0\r\n\r\n");

function chunk(text: string): string {
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
}
