import type { Socket } from "node:net";
import { after, type Clock } from "@warmpath/runtime/base";
import { encryptionRefusal, fatalError } from "./backend-messages.ts";
import { type Batch, BatchGatherer } from "./batches.ts";
import { type FrontendMessage, MessageSplitter, ProtocolFault } from "./frontend-messages.ts";
import type { SessionQueue, SessionUser } from "./session-queue.ts";

/** What a connection needs of its server. */
export interface ConnectionOptions {
  readonly queue: SessionQueue;
  readonly clock: Clock;
  /** The answer to a startup message: authentication, parameters, ReadyForQuery. */
  readonly greeting: Buffer;
  /** Longest message, and longest half batch kept back, in bytes. */
  readonly messageBytesMax: number;
  /** Takes one of the places for started sessions; false when there is none. */
  readonly takePlace: () => boolean;
  /** Gives it back, once. */
  readonly freePlace: () => void;
  /** The socket is closed. */
  readonly onClosed: () => void;
}

/**
 * Whole batches of one client that may wait before no more is read from it, in bytes: a client that
 * awaits its answers never has more than one.
 */
const waitingBytesMax = 1_048_576;
/** How long a client that was sent away has to read why and to close, in ms. */
const lingerMsMax = 1000;

/**
 * One client of the embedded database. Its end, of whatever kind (Terminate, end of stream, a
 * broken socket), drops what has not begun: nobody is left to hear of it.
 */
export class Connection implements SessionUser {
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #splitter: MessageSplitter;
  readonly #gatherer: BatchGatherer;
  #batches: Batch[] = [];
  #waitingBytes = 0;
  #hasPlace = false;
  #isWorking = false;
  #isUndrained = false;
  #hasLeft = false;
  #wake: (() => void) | undefined;

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#splitter = new MessageSplitter(options.messageBytesMax);
    this.#gatherer = new BatchGatherer(options.messageBytesMax);
    socket.on("data", (chunk: Buffer) => this.#onData(chunk));
    socket.on("end", () => this.#leave());
    // A peer that breaks off is no news: "close" follows.
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.#leave();
      options.onClosed();
    });
    socket.on("drain", () => {
      this.#isUndrained = false;
      this.#wake?.();
    });
  }

  /** Ends the connection for a reason of the server's. */
  refuse(sqlState: string, message: string): void {
    this.#leave(fatalError(sqlState, message));
  }

  onSilent(): void {
    // PostgreSQL's idle_in_transaction_session_timeout says it with this code.
    this.refuse("25P03", "terminating connection: it held the session and sent nothing");
  }

  #onData(chunk: Buffer): void {
    if (this.#hasLeft) {
      return;
    }
    this.#splitter.push(chunk);
    try {
      for (;;) {
        const message = this.#splitter.next();
        if (message === undefined) {
          break;
        }
        this.#take(message);
        if (this.#hasLeft) {
          return;
        }
      }
    } catch (error) {
      if (!(error instanceof ProtocolFault)) {
        throw error;
      }
      this.refuse(error.sqlState, error.message);
      return;
    }
    this.#adjustReading();
    void this.#work();
  }

  #take(message: FrontendMessage): void {
    switch (message.kind) {
      case "encryption-request":
        this.#socket.write(encryptionRefusal);
        return;
      case "cancel-request":
        // Nothing can interrupt PGlite, and the protocol knows no answer.
        this.#leave();
        return;
      case "startup":
        this.#hasPlace = this.#options.takePlace();
        if (this.#hasPlace) {
          this.#socket.write(this.#options.greeting);
        } else {
          this.refuse("53300", "sorry, too many clients already");
        }
        return;
      case "typed": {
        if (message.type === "X") {
          this.#leave();
          return;
        }
        const batch = this.#gatherer.add(message);
        if (batch !== undefined) {
          this.#batches.push(batch);
          this.#waitingBytes += batch.bytes.length;
        }
      }
    }
  }

  /** Runs the waiting batches one after the other, each when the last answer has left. */
  async #work(): Promise<void> {
    if (this.#isWorking) {
      return;
    }
    this.#isWorking = true;
    for (let batch = this.#batches.shift(); batch !== undefined; batch = this.#batches.shift()) {
      const answer = await this.#options.queue.run(this, batch);
      if (answer === undefined || this.#hasLeft) {
        break;
      }
      this.#waitingBytes -= batch.bytes.length;
      this.#isUndrained = !this.#socket.write(answer);
      this.#adjustReading();
      if (this.#isUndrained) {
        await this.#untilDrained();
        this.#adjustReading();
      } else if (this.#batches.length > 0) {
        // A client that pipelines must not keep the others' bytes from being read.
        await new Promise(setImmediate);
      }
    }
    this.#isWorking = false;
  }

  async #untilDrained(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    await promise;
    this.#wake = undefined;
  }

  #adjustReading(): void {
    if (this.#hasLeft || (!this.#isUndrained && this.#waitingBytes < waitingBytesMax)) {
      this.#socket.resume();
    } else {
      this.#socket.pause();
    }
  }

  #leave(lastWords?: Buffer): void {
    if (this.#hasLeft) {
      return;
    }
    this.#hasLeft = true;
    this.#batches = [];
    this.#options.queue.leave(this);
    if (this.#hasPlace) {
      this.#options.freePlace();
    }
    this.#wake?.();
    if (this.#socket.destroyed) {
      return;
    }
    const linger = after(this.#options.clock, lingerMsMax, () => this.#socket.destroy());
    this.#socket.once("close", () => linger.cancel());
    // What still comes is read and thrown away: closing over unread bytes would tear the last words
    // from the client's hands.
    this.#adjustReading();
    this.#socket.end(lastWords ?? "");
  }
}
