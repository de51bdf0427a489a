import type { Clock } from "../base/index.ts";
import { type ClientConnection, openConnection } from "./connection.ts";
import {
  Http1Error,
  type Http1Exchange,
  type Http1Request,
  type Http1Sink,
  type Origin,
} from "./types.ts";

/** Sends requests over kept connections. */
export interface Http1Client {
  /**
   * Sends at once if a kept connection is there, else over a new one. The sink hears everything,
   * an unreachable origin included. Throws `Http1Error` of kind `protocol` for a path that could
   * end its line.
   */
  send(
    origin: Origin,
    request: Http1Request,
    sink: Http1Sink,
    options?: SendOptions,
  ): Http1Exchange;
  /** Connections that carry nothing now. */
  readonly idle: number;
  /** Origins of which something is kept. */
  readonly origins: number;
  /** Closes the idle connections, and the others as their answers end. */
  close(): void;
}

/** How to send. */
export interface SendOptions {
  /** Never over a kept connection: one may have died unseen. */
  readonly usesFreshConnection?: boolean;
}

/** What a client keeps. */
export interface Http1Limits {
  /**
   * Idle connections are closed after so long: before the server does it in the middle of our next
   * request.
   */
  readonly keptMs: number;
  readonly idleMaxPerOrigin: number;
}

/** Makes a client. */
export function createHttp1Client(limits: Http1Limits, clock: Clock): Http1Client {
  const nowMs = () => clock.monotonicMs();
  const pools = new Map<string, ConnectionPool>();
  const poolByOrigin = new WeakMap<Origin, ConnectionPool>();
  const poolOf = (origin: Origin): ConnectionPool => {
    const known = poolByOrigin.get(origin);
    if (known?.isDropped === false) {
      return known;
    }
    const key = keyOf(origin);
    const pool = pools.get(key) ?? new ConnectionPool(origin, limits, nowMs);
    pools.set(key, pool);
    poolByOrigin.set(origin, pool);
    return pool;
  };
  const closed = new AbortController();
  const sweep = async (): Promise<void> => {
    while (!closed.signal.aborted) {
      await clock.sleep(limits.keptMs / 4, closed.signal);
      for (const [key, pool] of pools) {
        pool.closeOld();
        // Engines come and go: what is kept of one that has gone is nothing.
        if (pool.dropIfUnused()) {
          pools.delete(key);
        }
      }
    }
  };
  // The sleep rejects only when the client is closed, and then there is nothing left to do.
  sweep().catch(() => undefined);

  return {
    send: (origin, request, sink, options) => {
      if (!pathForm.test(request.path)) {
        throw new Http1Error("protocol", "the path has a character that no path may have");
      }
      const pool = poolOf(origin);
      const kept = options?.usesFreshConnection === true ? undefined : pool.takeKept();
      return kept === undefined ? pool.sendFresh(request, sink) : kept.send(request, sink);
    },
    get idle() {
      return [...pools.values()].reduce((sum, pool) => sum + pool.idle, 0);
    },
    get origins() {
      return pools.size;
    },
    close: () => {
      closed.abort();
      for (const pool of pools.values()) {
        pool.close();
      }
    },
  };
}

function keyOf({ host, port, authority = "" }: Origin): string {
  return `${host}:${port} ${authority}`;
}

const pathForm = /^[!-~]+$/;

/** The connections to one origin. */
class ConnectionPool {
  readonly #origin: Origin;
  readonly #limits: Http1Limits;
  readonly #nowMs: () => number;
  /** The one used last is used first, so that the others grow old and go. */
  readonly #kept: ClientConnection[] = [];
  /** Connections that stand, and those on their way. */
  readonly #open = new Set<ClientConnection>();
  #connecting = 0;
  #isClosed = false;
  /** Nobody sweeps it any more: the next request needs another one. */
  isDropped = false;

  constructor(origin: Origin, limits: Http1Limits, nowMs: () => number) {
    this.#origin = origin;
    this.#limits = limits;
    this.#nowMs = nowMs;
  }

  get idle(): number {
    return this.#kept.length;
  }

  takeKept(): ClientConnection | undefined {
    for (let last = this.#kept.pop(); last !== undefined; last = this.#kept.pop()) {
      if (last.isReady && this.#nowMs() - last.idleSinceMs < this.#limits.keptMs) {
        return last;
      }
      last.close();
    }
    return undefined;
  }

  sendFresh(request: Http1Request, sink: Http1Sink): Http1Exchange {
    const exchange = new FreshExchange();
    this.#connecting += 1;
    void openConnection(this.#origin, this, this.#nowMs).then(
      (connection) => {
        this.#connecting -= 1;
        if (connection.isOpen) {
          this.#open.add(connection);
        }
        if (exchange.isAborted) {
          this.onFree(connection);
        } else {
          exchange.begin(connection.send(request, sink));
        }
      },
      (error: unknown) => {
        this.#connecting -= 1;
        if (!exchange.isAborted) {
          sink.onFail(
            error instanceof Http1Error ? error : new Http1Error("unreachable", String(error)),
          );
        }
      },
    );
    return exchange;
  }

  onFree(connection: ClientConnection): void {
    if (this.#isClosed || this.#kept.length >= this.#limits.idleMaxPerOrigin) {
      connection.close();
    } else {
      this.#kept.push(connection);
    }
  }

  onClosed(connection: ClientConnection): void {
    this.#open.delete(connection);
    const at = this.#kept.lastIndexOf(connection);
    if (at >= 0) {
      this.#kept.splice(at, 1);
    }
  }

  closeOld(): void {
    // Oldest first: they were pushed in the order in which they came free.
    const nowMs = this.#nowMs();
    const young = this.#kept.findIndex(
      ({ idleSinceMs }) => nowMs - idleSinceMs < this.#limits.keptMs,
    );
    for (const old of this.#kept.splice(0, young < 0 ? this.#kept.length : young)) {
      old.close();
    }
  }

  /** True where it has no connection: then it is not to be used any more. */
  dropIfUnused(): boolean {
    this.isDropped = this.#connecting === 0 && this.#open.size === 0;
    return this.isDropped;
  }

  close(): void {
    this.#isClosed = true;
    for (const connection of this.#kept.splice(0)) {
      connection.close();
    }
  }
}

/** An exchange whose connection may still be on its way. */
class FreshExchange implements Http1Exchange {
  #exchange: Http1Exchange | undefined;
  #isPaused = false;
  isAborted = false;

  begin(exchange: Http1Exchange): void {
    this.#exchange = exchange;
    if (this.#isPaused) {
      exchange.pause();
    }
  }

  pause(): void {
    this.#isPaused = true;
    this.#exchange?.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#exchange?.resume();
  }

  abort(): void {
    this.isAborted = true;
    this.#exchange?.abort();
  }
}
