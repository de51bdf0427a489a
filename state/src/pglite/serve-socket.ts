import { createServer } from "node:net";
import type { PGlite } from "@electric-sql/pglite";
import { type Clock, systemClock } from "@warmpath/runtime/base";
import { readyStatusOf } from "./backend-messages.ts";
import { Connection } from "./connection.ts";
import { SessionQueue } from "./session-queue.ts";

/** How to serve an embedded database on a socket. */
export interface ServeSocketOptions {
  readonly db: Pick<PGlite, "execProtocolRawStream" | "runExclusive">;
  /** Path of the Unix socket. Whoever can open it is let in, under any name. */
  readonly path: string;
  /** Sessions at once; more are refused as PostgreSQL does (53300). */
  readonly connectionsMax: number;
  /** Called once when the database broke: it cannot serve any more. */
  readonly onFault: (error: unknown) => void;
  /**
   * Longest message, in bytes. Default 64 MiB: many times what the log writes at once, and a
   * fraction of the 4 GiB that a WASM module can address.
   */
  readonly messageBytesMax?: number;
  /**
   * Longest silence of a client inside a transaction or a half batch, in ms; it is then sent away
   * and rolled back. Default 30 s: our transactions await nothing but their own statements, and
   * everybody else waits meanwhile.
   */
  readonly silentMsMax?: number;
  readonly clock?: Clock;
}

/** A running server. */
export interface SocketServer {
  /** Ends all connections, rolls back what is open, and waits until the database is at rest. */
  close(): Promise<void>;
}

const messageBytesMaxDefault = 64 * 1_048_576;
const silentMsMaxDefault = 30_000;

/**
 * Serves one PGlite to many clients of PostgreSQL's protocol 3.0. They share its one session, a
 * batch or a transaction at a time (see {@link SessionQueue}). COPY FROM STDIN is not for them:
 * PGlite ends itself over it.
 */
export async function serveSocket(options: ServeSocketOptions): Promise<SocketServer> {
  const clock = options.clock ?? systemClock;
  const execute = executeOn(options.db);
  const greeting = await execute(startupMessage());
  if (readyStatusOf(greeting) !== "I") {
    throw new Error("the database did not answer a startup message");
  }
  const queue = new SessionQueue({
    execute,
    clock,
    silentMsMax: options.silentMsMax ?? silentMsMaxDefault,
    onFault: options.onFault,
  });
  const connections = new Set<Connection>();
  let placesTaken = 0;
  const server = createServer((socket) => {
    const connection = new Connection(socket, {
      queue,
      clock,
      greeting,
      messageBytesMax: options.messageBytesMax ?? messageBytesMaxDefault,
      takePlace() {
        const isFree = placesTaken < options.connectionsMax;
        placesTaken += isFree ? 1 : 0;
        return isFree;
      },
      freePlace() {
        placesTaken--;
      },
      onClosed: () => connections.delete(connection),
    });
    connections.add(connection);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.path, resolve);
  });
  return {
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const connection of connections) {
        connection.refuse("57P01", "terminating connection: the database is closing");
      }
      await queue.close();
      await closed;
    },
  };
}

function executeOn(db: ServeSocketOptions["db"]): (messages: Buffer) => Promise<Buffer> {
  return async (messages) => {
    const pieces: Buffer[] = [];
    await db.runExclusive(() =>
      db.execProtocolRawStream(messages, {
        // A view of the module's memory, which the next call overwrites.
        onRawData: (bytes) => pieces.push(Buffer.from(bytes)),
      }),
    );
    return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
  };
}

/**
 * One startup message, ours, stands for all: PGlite ignores what it asks for, answers all of them
 * alike, and would not survive one that it cannot read.
 */
function startupMessage(): Buffer {
  const body = Buffer.from("\0\x03\0\0user\0postgres\0database\0postgres\0\0");
  const message = Buffer.alloc(4 + body.length);
  message.writeUInt32BE(message.length, 0);
  body.copy(message, 4);
  return message;
}
