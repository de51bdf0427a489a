import { connect, type Socket } from "node:net";
import { frame } from "../backend-messages.ts";

/** Protocol 3.0, and some user. */
export const startup = Buffer.from("\0\0\0\x13\0\x03\0\0user\0test\0\0");

/** Parse of the unnamed statement. */
export const parse = (text: string) => frame("P", `\0${text}\0\0\0`);
/** Bind of one text parameter (an ASCII one) to the unnamed statement. */
export const bind = (value: string) =>
  frame("B", `\0\0\0\0\0\x01\0\0\0${String.fromCharCode(value.length)}${value}\0\0`);
export const execute = frame("E", "\0\0\0\0\0");
export const sync = frame("S", "");
export const flush = frame("H", "");
export const query = (text: string) => frame("Q", `${text}\0`);

/**
 * A client that decides itself when each byte is sent. Answers read as words: rows as `D:` and the
 * text of their columns, errors as `E:` and the SQLSTATE, ReadyForQuery as `Z:` and the status, all
 * others as their type alone.
 */
export class RawClient {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  readonly #words: string[] = [];
  #bytes = Buffer.alloc(0);
  #isClosed = false;
  #wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => undefined);
    this.closed = new Promise((resolve) => {
      socket.on("close", () => {
        this.#isClosed = true;
        this.#wake();
        resolve();
      });
    });
    socket.on("data", (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#cut();
      this.#wake();
    });
  }

  /** Opens a connection and sends nothing. */
  static async open(path: string): Promise<RawClient> {
    const socket = connect(path);
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return new RawClient(socket);
  }

  /** Opens a connection and starts a session. */
  static async start(path: string): Promise<RawClient> {
    const client = await RawClient.open(path);
    await client.ask(startup);
    return client;
  }

  /** Resolves when the bytes have left. */
  async send(...messages: readonly Buffer[]): Promise<void> {
    await new Promise<void>((resolve) => {
      this.socket.write(Buffer.concat(messages), () => resolve());
    });
  }

  /** The words up to the first that begins with `type`, or to the end of the connection. */
  async until(type: string): Promise<string[]> {
    for (;;) {
      const index = this.#words.findIndex((word) => word.startsWith(type));
      if (index !== -1) {
        return this.#words.splice(0, index + 1);
      }
      if (this.#isClosed) {
        return [...this.#words.splice(0), "closed"];
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Sends, and returns the answer up to ReadyForQuery. */
  async ask(...messages: readonly Buffer[]): Promise<string[]> {
    await this.send(...messages);
    return await this.until("Z");
  }

  /** Breaks off without a word. */
  async kill(): Promise<void> {
    this.socket.destroy();
    await this.closed;
  }

  #cut(): void {
    let start = 0;
    for (;;) {
      const left = this.#bytes.length - start;
      const size = left < 5 ? Number.POSITIVE_INFINITY : this.#bytes.readUInt32BE(start + 1) + 1;
      if (left < size) {
        break;
      }
      this.#words.push(word(this.#bytes.subarray(start, start + size)));
      start += size;
    }
    this.#bytes = this.#bytes.subarray(start);
  }
}

function word(message: Buffer): string {
  const type = message.toString("latin1", 0, 1);
  const body = message.subarray(5);
  switch (type) {
    case "Z":
      return `Z:${body}`;
    case "E":
      return `E:${/\0C(.{5})\0/.exec(body.toString())?.[1]}`;
    case "D":
      return `D:${columns(body).join(",")}`;
    default:
      return type;
  }
}

function columns(row: Buffer): string[] {
  const texts: string[] = [];
  let at = 2;
  for (let left = row.readUInt16BE(0); left > 0; left--) {
    const size = Math.max(0, row.readInt32BE(at));
    texts.push(row.toString("utf8", at + 4, at + 4 + size));
    at += 4 + size;
  }
  return texts;
}
