import type { Http1Exchange } from "@warmpath/runtime/http1";
import type { Vigil } from "../liveness/index.ts";
import { idleError, type OpenStream, type StreamSink } from "./attempt.ts";
import type { EventFramer } from "./sse.ts";
import { type Watch, type Watchdog, watchVigil } from "./watchdog.ts";

/** Bytes that wait for whoever pulls before the engine is held up, and below which it goes on. */
const heldBytesMax = 256 * 1024;
const resumeBytes = 64 * 1024;

/** How a stream came to its end. */
type Over = { readonly error: unknown } | "ended" | "cancelled";

/** A stream that a socket of ours pushes. Cost per token: the framer's look, and one call. */
export class SocketStream implements OpenStream {
  readonly first: Uint8Array;
  readonly #exchange: Http1Exchange;
  readonly #framer: EventFramer;
  readonly #watch: Watch;
  readonly #vigil: Vigil;
  /** Bytes that end no event are no sign of life: they may drip for ever. */
  #hasNews = false;
  /** What came before anybody wanted it. */
  readonly #blocks: Uint8Array[] = [];
  #heldBytes = 0;
  #isPaused = false;
  #sink: StreamSink | undefined;
  #waiting: PromiseWithResolvers<Uint8Array | undefined> | undefined;
  #over: Over | undefined;

  constructor(options: {
    readonly first: Uint8Array;
    readonly exchange: Http1Exchange;
    readonly framer: EventFramer;
    readonly watchdog: Watchdog;
    readonly vigil: Vigil;
  }) {
    this.first = options.first;
    this.#exchange = options.exchange;
    this.#framer = options.framer;
    this.#vigil = options.vigil;
    this.#watch = watchVigil(options.watchdog, options.vigil, (silentMs) =>
      this.#break(idleError(silentMs)),
    );
  }

  /** Bytes of the body have come. */
  push(bytes: Uint8Array): void {
    if (this.#over !== undefined) {
      return;
    }
    let block: Uint8Array;
    try {
      block = this.#framer.push(bytes);
    } catch (error) {
      this.#break(error);
      return;
    }
    if (block.length === 0) {
      return;
    }
    this.#hasNews = true;
    if (this.#sink !== undefined) {
      this.#sink.onBlock(block);
    } else if (this.#waiting !== undefined) {
      this.#waiting.resolve(block);
      this.#waiting = undefined;
    } else {
      this.#hold(block);
    }
  }

  /** One read of the socket has been handed over. */
  read(): void {
    if (this.#hasNews && this.#over === undefined && !this.#isPaused) {
      this.#vigil.event();
      this.#hasNews = false;
    }
    this.#sink?.onRead();
  }

  /** The body has ended. */
  end(): void {
    this.#finish("ended");
  }

  /** The connection broke. */
  fail(error: unknown): void {
    this.#finish({ error });
  }

  flow(sink: StreamSink): void {
    this.#sink = sink;
    for (let block = this.#unhold(); block !== undefined; block = this.#unhold()) {
      sink.onBlock(block);
    }
    if (this.#over === undefined) {
      sink.onRead();
    } else {
      this.#tell();
    }
  }

  next(): Promise<Uint8Array | undefined> {
    const block = this.#unhold();
    if (block !== undefined) {
      return Promise.resolve(block);
    }
    if (this.#over !== undefined) {
      return typeof this.#over === "object"
        ? Promise.reject(this.#over.error)
        : Promise.resolve(undefined);
    }
    this.#waiting = Promise.withResolvers();
    return this.#waiting.promise;
  }

  pause(): void {
    if (this.#over === undefined && !this.#isPaused) {
      this.#isPaused = true;
      // From here on it is the client that is waited for.
      this.#vigil.pause();
      this.#exchange.pause();
    }
  }

  resume(): void {
    if (this.#over === undefined && this.#isPaused) {
      this.#isPaused = false;
      this.#vigil.resume();
      this.#exchange.resume();
    }
  }

  cancel(): void {
    if (this.#over === undefined) {
      this.#sink = undefined;
      this.#exchange.abort();
      this.#finish("cancelled");
    }
  }

  #hold(block: Uint8Array): void {
    this.#blocks.push(block);
    this.#heldBytes += block.length;
    if (this.#heldBytes > heldBytesMax) {
      this.pause();
    }
  }

  #unhold(): Uint8Array | undefined {
    const block = this.#blocks.shift();
    if (block !== undefined) {
      this.#heldBytes -= block.length;
      if (this.#heldBytes < resumeBytes) {
        this.resume();
      }
    }
    return block;
  }

  /** It cannot go on: what is left of it is nobody's. */
  #break(error: unknown): void {
    this.#exchange.abort();
    this.#finish({ error });
  }

  #finish(over: Over): void {
    if (this.#over !== undefined) {
      return;
    }
    this.#over = over;
    this.#watch.stop();
    this.#vigil.end();
    this.#tell();
  }

  #tell(): void {
    const over = this.#over;
    const sink = this.#sink;
    const waiting = this.#waiting;
    this.#sink = undefined;
    this.#waiting = undefined;
    if (typeof over === "object") {
      sink?.onFail(over.error);
      waiting?.reject(over.error);
    } else {
      sink?.onEnd();
      waiting?.resolve(undefined);
    }
  }
}
