import { connect, createServer, type Server, type Socket } from "node:net";

/**
 * A server's address that can be made to fail, as the server's own failing would look from here.
 */
export interface Forwarder {
  readonly url: string;
  /** The server is gone: connections break, and new ones are refused. */
  cut(): Promise<void>;
  /** The server is back. */
  restore(): Promise<void>;
  /** The next message with this text arrives, and its connection breaks in place of the answer. */
  loseAnswerTo(text: string): void;
  close(): Promise<void>;
}

/** Stands between tests and the server at `target`; the URL keeps all but host and port. */
export async function startForwarder(target: string): Promise<Forwarder> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let lost: string | undefined;
  const accept = (client: Socket) => {
    const server = connect({ host: hostname, port: Number(port) });
    const end = () => {
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on("error", end);
      socket.on("close", () => {
        sockets.delete(socket);
        end();
      });
    }
    let isLosing = false;
    client.on("data", (bytes) => {
      if (lost !== undefined && bytes.includes(lost)) {
        lost = undefined;
        isLosing = true;
      }
      server.write(bytes);
    });
    server.on("data", (bytes) => (isLosing ? end() : client.write(bytes)));
  };
  let listener: Server | undefined;
  const listen = async (at: number): Promise<number> => {
    const opened = createServer(accept);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    opened.once("error", reject);
    opened.listen({ host: "127.0.0.1", port: at }, resolve);
    await promise;
    listener = opened;
    const address = opened.address();
    return address !== null && typeof address === "object" ? address.port : 0;
  };
  const cut = async () => {
    const closed = Promise.withResolvers<void>();
    if (listener === undefined) {
      closed.resolve();
    }
    listener?.close(() => closed.resolve());
    listener = undefined;
    for (const socket of sockets) {
      socket.destroy();
    }
    await closed.promise;
  };
  const ownPort = await listen(0);
  const url = new URL(target);
  url.hostname = "127.0.0.1";
  url.port = String(ownPort);
  return {
    url: url.href,
    cut,
    async restore() {
      if (listener === undefined) {
        await listen(ownPort);
      }
    },
    loseAnswerTo(text) {
      lost = text;
    },
    close: cut,
  };
}
