import { after, type Clock } from "@warmpath/runtime/base";
import { Connection, type ConnectionHost } from "./connection.ts";
import type { HttpReply, HttpRequest } from "./types.ts";

/** Idle connections are closed after this long: uvicorn's value as vLLM sets it. */
export const keepAliveMs = 5_000;

/** How a server is set up. */
export interface HttpServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly clock: Clock;
  readonly bodyBytesMax: number;
  /** Answers a request; must not reject. */
  readonly answer: (request: HttpRequest) => Promise<HttpReply>;
  /** Paths that are answered even while the server is frozen. */
  readonly isControl: (path: string) => boolean;
}

/**
 * HTTP/1.1 over plain sockets, so that what a platform's server hides can be played: an exact
 * keep-alive time, a cut in mid-body, a port that closes while answers hang.
 */
export class HttpServer implements ConnectionHost {
  readonly bodyBytesMax: number;
  readonly answer: (request: HttpRequest) => Promise<HttpReply>;
  readonly isControl: (path: string) => boolean;
  readonly #options: HttpServerOptions;
  readonly #connections = new Set<Connection>();
  /** Idle connections and since when, the longest idle first. */
  readonly #idle = new Map<Connection, number>();
  #idleTimer: { cancel(): void } | undefined;
  #listener: { readonly port: number; stop(closeActive?: boolean): void } | undefined;
  #isFrozen = false;
  #port: number;
  #date = "";
  #dateMs = 0;

  constructor(options: HttpServerOptions) {
    this.#options = options;
    this.bodyBytesMax = options.bodyBytesMax;
    this.answer = options.answer;
    this.isControl = options.isControl;
    this.#port = options.port;
  }

  /** The port that `listen` took. */
  get port(): number {
    return this.#port;
  }

  get isListening(): boolean {
    return this.#listener !== undefined;
  }

  get isFrozen(): boolean {
    return this.#isFrozen;
  }

  /** Accepts connections; again on the same port after `closePort`. Throws where it is taken. */
  listen(): void {
    if (this.#listener !== undefined) return;
    this.#listener = Bun.listen<Connection | undefined>({
      hostname: this.#options.host,
      port: this.#port,
      socket: {
        open: (socket) => {
          // The system may have accepted it in the moment in which the port closed.
          if (this.#listener === undefined) {
            socket.terminate();
            return;
          }
          socket.setNoDelay(true);
          const connection = new Connection(this, socket);
          socket.data = connection;
          this.#connections.add(connection);
        },
        data: (socket, bytes) => socket.data?.receive(bytes),
        drain: (socket) => socket.data?.drain(),
        close: (socket) => this.#closed(socket.data),
        error: (socket) => this.#closed(socket.data),
      },
    });
    this.#port = this.#listener.port;
  }

  /** Refuses new connections; open ones stay as they are. */
  closePort(): void {
    this.#listener?.stop(false);
    this.#listener = undefined;
  }

  /** Cuts every connection that waits for a request. */
  cutIdle(): void {
    for (const connection of this.#idle.keys()) connection.cut();
  }

  /** Cuts every connection. */
  cutAll(): void {
    for (const connection of this.#connections) connection.cut();
  }

  /**
   * While frozen, connections are accepted and nothing is answered, not even what has begun;
   * afterwards all of it goes on.
   */
  setFrozen(isFrozen: boolean): void {
    if (this.#isFrozen === isFrozen) return;
    this.#isFrozen = isFrozen;
    if (isFrozen) return;
    for (const connection of this.#connections) {
      connection.drain();
      connection.readNext();
    }
  }

  date(): string {
    const nowMs = this.#options.clock.nowMs();
    if (nowMs - this.#dateMs >= 1000) {
      this.#dateMs = nowMs - (nowMs % 1000);
      this.#date = new Date(this.#dateMs).toUTCString();
    }
    return this.#date;
  }

  onIdle(connection: Connection, isIdle: boolean): void {
    if (!isIdle) {
      this.#idle.delete(connection);
      return;
    }
    this.#idle.set(connection, this.#options.clock.monotonicMs());
    if (this.#idleTimer === undefined) this.#awaitNextIdle(keepAliveMs);
  }

  /** One timer for the connection that is idle for longest. */
  #awaitNextIdle(ms: number): void {
    this.#idleTimer = after(this.#options.clock, Math.ceil(ms), () => {
      this.#idleTimer = undefined;
      const nowMs = this.#options.clock.monotonicMs();
      for (const [connection, sinceMs] of this.#idle) {
        const leftMs = sinceMs + keepAliveMs - nowMs;
        if (leftMs > 0) {
          this.#awaitNextIdle(leftMs);
          return;
        }
        connection.end();
      }
    });
  }

  #closed(connection: Connection | undefined): void {
    if (connection === undefined) return;
    connection.closed();
    this.#connections.delete(connection);
  }

  /** Closes the port and every connection. */
  close(): void {
    this.closePort();
    this.cutAll();
    this.#idleTimer?.cancel();
    this.#idleTimer = undefined;
  }
}
