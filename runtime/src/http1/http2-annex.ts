import type { Socket } from "bun";
import { after, systemClock } from "../base/index.ts";
import { http2Preface } from "./parse-request.ts";
import type { SocketOwner } from "./socket-owner.ts";

/** Serves clients that begin in HTTP/2, whose sockets somebody else has accepted. */
export interface Http2Annex {
  /** Takes a socket over, with what was read behind the preface's first line. */
  take(socket: Socket<SocketOwner>, read: Buffer): void;
  close(graceMs: number): Promise<void>;
}

/**
 * The platform's server on a loopback port of its own, started for the first client that needs it;
 * its bytes are carried between the two sockets as they are.
 */
export function createHttp2Annex(
  handle: (request: Request) => Promise<Response>,
  { idleMs }: { readonly idleMs: number } = { idleMs: idleMsMax },
): Http2Annex {
  let server: Bun.Server<undefined> | undefined;
  /** The clients' sides that are open, or still have something to write. */
  const clients = new Set<Side>();
  let noneLeft: (() => void) | undefined;
  const start = () =>
    Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      idleTimeout: 0,
      http2: true,
      development: false,
      // Larger bodies are refused by the handlers.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      fetch: handle,
    });

  return {
    take: (socket, read) => {
      server ??= start();
      const preface = Buffer.from(`${http2Preface}\r\n\r\n`);
      const client: Side = join(socket, server.port ?? 0, Buffer.concat([preface, read]), {
        idleMs,
        onGone: () => {
          clients.delete(client);
          if (clients.size === 0) noneLeft?.();
        },
      });
      clients.add(client);
    },
    close: async (graceMs) => {
      if (server === undefined) {
        return;
      }
      const stopping = server;
      const timer = after(systemClock, graceMs, () => {
        void stopping.stop(true);
        for (const client of clients) client.closed();
      });
      await stopping.stop(false);
      if (clients.size > 0) {
        await new Promise<void>((resolve) => {
          noneLeft = resolve;
        });
      }
      timer.cancel();
    },
  };
}

/** Bytes that one side may be behind before the other is held up. */
const heldBytesMax = 256 * 1024;

/**
 * A pair over which nothing went either way for so long is closed: a preface alone must not hold
 * two descriptors for ever. Longer than any stream of ours is silent.
 */
const idleMsMax = 30 * 60_000;

/** How long a slow reader may take to read the end of what it was sent. */
const lingerMsMax = 30_000;

/** Returns the client's side. */
function join(
  client: Socket<SocketOwner>,
  port: number,
  first: Buffer,
  { idleMs, onGone }: { readonly idleMs: number; readonly onGone: () => void },
): Side {
  const idle = new IdleWatch(idleMs, () => near.closed());
  const near = new Side(client, idle, onGone);
  const far = new Side(undefined, idle);
  near.join(far);
  far.join(near);
  client.data = near;
  far.send(first);
  const connecting = Bun.connect<Side>({
    hostname: "127.0.0.1",
    port,
    data: far,
    socket: {
      open: (socket) => far.attach(socket),
      data: (socket, bytes) => socket.data.read(bytes),
      drain: (socket) => socket.data.drained(),
      end: (socket) => socket.data.closed(),
      close: (socket) => socket.data.closed(),
      error: (socket) => socket.data.closed(),
    },
  });
  connecting.catch(() => far.closed());
  return near;
}

/** Calls `onIdle` once nothing was heard of for `idleMs`; one timer, however many bytes pass. */
class IdleWatch {
  readonly #idleMs: number;
  readonly #onIdle: () => void;
  #heardAtMs = systemClock.monotonicMs();
  #timer: { cancel(): void };

  constructor(idleMs: number, onIdle: () => void) {
    this.#idleMs = idleMs;
    this.#onIdle = onIdle;
    this.#timer = after(systemClock, idleMs, () => this.#look());
  }

  heard(): void {
    this.#heardAtMs = systemClock.monotonicMs();
  }

  stop(): void {
    this.#timer.cancel();
  }

  #look(): void {
    const leftMs = this.#heardAtMs + this.#idleMs - systemClock.monotonicMs();
    if (leftMs <= 0) {
      this.#onIdle();
    } else {
      this.#timer = after(systemClock, leftMs, () => this.#look());
    }
  }
}

/** One end of a joined pair: what it reads goes out at the other. */
class Side implements SocketOwner {
  #socket: Socket<never> | Socket<SocketOwner> | Socket<Side> | undefined;
  #other: Side | undefined;
  #unsent: Buffer[] = [];
  #unsentBytes = 0;
  readonly #idle: IdleWatch;
  /** Set while only what is unsent still keeps the socket open. */
  #linger: { cancel(): void } | undefined;

  readonly #onGone: (() => void) | undefined;

  constructor(socket: Socket<SocketOwner> | undefined, idle: IdleWatch, onGone?: () => void) {
    this.#socket = socket;
    this.#idle = idle;
    this.#onGone = onGone;
  }

  join(other: Side): void {
    this.#other = other;
  }

  attach(socket: Socket<Side>): void {
    if (this.#other === undefined) {
      // The client left while this side was being connected.
      socket.terminate();
      return;
    }
    this.#socket = socket;
    this.#flush();
  }

  read(bytes: Buffer): void {
    this.#idle.heard();
    this.#other?.send(bytes);
  }

  drained(): void {
    this.#flush();
  }

  timedOut(): void {
    // Streams may be silent for as long as they like.
  }

  /** Nobody speaks HTTP/2 with half a connection. */
  ended(): void {
    this.closed();
  }

  /** This side has gone: the other goes too. */
  closed(): void {
    const other = this.#other;
    this.#unsent = [];
    this.#unsentBytes = 0;
    if (other === undefined) {
      this.#end();
      return;
    }
    this.#idle.stop();
    this.#other = undefined;
    this.#end();
    other.#finish();
  }

  /** The other side has gone: what it sent goes out first, if its reader takes it in time. */
  #finish(): void {
    this.#other = undefined;
    if (this.#socket === undefined || this.#unsentBytes === 0) {
      this.#end();
    } else {
      this.#linger = after(systemClock, lingerMsMax, () => this.closed());
    }
  }

  #end(): void {
    this.#linger?.cancel();
    this.#linger = undefined;
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket !== undefined) {
      socket.end();
      this.#onGone?.();
    }
  }

  send(bytes: Buffer): void {
    this.#unsent.push(bytes);
    this.#unsentBytes += bytes.length;
    this.#flush();
    if (this.#unsentBytes > heldBytesMax) {
      this.#other?.pause();
    }
  }

  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }

  #flush(): void {
    const socket = this.#socket;
    if (socket === undefined || this.#unsent.length === 0) {
      return;
    }
    const all =
      this.#unsent.length === 1 ? (this.#unsent[0] ?? empty) : Buffer.concat(this.#unsent);
    const written = Math.max(0, socket.write(all));
    this.#unsent = written < all.length ? [all.subarray(written)] : [];
    this.#unsentBytes = all.length - written;
    if (this.#unsentBytes === 0) {
      this.#other?.resume();
      if (this.#linger !== undefined) {
        this.#end();
      }
    }
  }
}

const empty = Buffer.alloc(0);
