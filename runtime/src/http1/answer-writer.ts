import type { BodySink, HttpAnswer } from "./answer.ts";
import { fieldLine } from "./fields.ts";
import type { Outbox } from "./outbox.ts";
import { statusText } from "./status-text.ts";

/** Bytes that a client may be behind before whoever writes should wait. */
const fullBytes = 256 * 1024;

/** How an answer is to be framed. */
export interface AnswerFraming {
  /** False where the client knows no chunks: then the body ends with the connection. */
  readonly usesChunks: boolean;
  /** True when the connection ends with this answer. */
  readonly isLast: boolean;
  /** True for an answer to HEAD. */
  readonly omitsBody: boolean;
}

/**
 * Writes one answer. Cost per flush: one system call, one copy of what was written since the last.
 */
export class AnswerWriter implements BodySink {
  readonly #outbox: Outbox;
  readonly #framing: AnswerFraming;
  readonly #onEnd: (isWhole: boolean) => void;
  /** The head until it has gone out. */
  #head = "";
  #written: Uint8Array[] = [];
  #isOver = false;
  onDrain: (() => void) | undefined;

  constructor(outbox: Outbox, framing: AnswerFraming, onEnd: (isWhole: boolean) => void) {
    this.#outbox = outbox;
    this.#framing = framing;
    this.#onEnd = onEnd;
  }

  /** Begins; a body that is there goes out with its head. */
  begin({ status, headers, body }: HttpAnswer, date: string): void {
    const { usesChunks, isLast, omitsBody } = this.#framing;
    const head = headOf(status, headers, date, isLast);
    if (typeof body !== "function") {
      const length = status === 204 || status === 304 ? "" : `content-length: ${body.length}\r\n`;
      this.#outbox.writeHead(`${head}${length}\r\n`, omitsBody ? emptyBody : body);
      this.#finish(true);
      return;
    }
    this.#head = usesChunks ? `${head}transfer-encoding: chunked\r\n\r\n` : `${head}\r\n`;
    body(this);
  }

  get isFull(): boolean {
    return this.#outbox.heldBytes > fullBytes;
  }

  write(bytes: Uint8Array): void {
    if (!this.#isOver && bytes.length > 0 && !this.#framing.omitsBody) {
      this.#written.push(bytes);
    }
  }

  flush(): void {
    if (!this.#isOver) {
      this.#send(false);
    }
  }

  end(): void {
    if (!this.#isOver) {
      this.#send(!this.#framing.omitsBody);
      this.#finish(true);
    }
  }

  cut(): void {
    if (!this.#isOver) {
      this.#send(false);
      this.#finish(false);
    }
  }

  /** The client has left: nothing more is written. */
  leave(): void {
    this.#isOver = true;
    this.#written = [];
    const { onDrain } = this;
    this.onDrain = undefined;
    // Whoever waits for room must not wait for ever.
    onDrain?.();
  }

  /** The socket has taken all that was held. */
  drained(): void {
    const { onDrain } = this;
    this.onDrain = undefined;
    onDrain?.();
  }

  #send(isEnd: boolean): void {
    const head = this.#head;
    const written = this.#written;
    if (head === "" && written.length === 0 && !isEnd) {
      return;
    }
    this.#head = "";
    this.#written = [];
    this.#outbox.writeBody(head, written, {
      isChunked: this.#framing.usesChunks,
      isEnd: isEnd && this.#framing.usesChunks,
    });
  }

  #finish(isWhole: boolean): void {
    this.#isOver = true;
    this.#onEnd(isWhole);
  }
}

const emptyBody = new Uint8Array(0);

function headOf(
  status: number,
  headers: HttpAnswer["headers"],
  date: string,
  isLast: boolean,
): string {
  let text = `HTTP/1.1 ${status} ${statusText(status)}\r\n`;
  for (const name in headers) {
    text += fieldLine(name, headers[name] ?? "");
  }
  text += fieldLine("date", date);
  return isLast ? `${text}connection: close\r\n` : text;
}
