import { bindSocket, type ZmtpOptions } from "./attach.ts";
import type { Connection } from "./connection.ts";
import { encodeMessage } from "./frames.ts";

/** Names one connected peer of a ROUTER; good until that peer has gone. */
export type PeerId = string;

/** A bound ROUTER socket: hears each peer by name and answers by name. */
export interface Router {
  readonly endpoint: string;
  readonly peers: number;
  /** False when the peer has gone or its queue is full: the message was dropped. */
  send(to: PeerId, frames: readonly Uint8Array[]): boolean;
  has(peer: PeerId): boolean;
  /** Resolves when nothing waits for the peer any more, or it has gone. For long answers. */
  drained(peer: PeerId): Promise<void>;
  close(): Promise<void>;
}

/** Where a ROUTER socket is and who hears it. */
export interface RouterOptions extends ZmtpOptions {
  /** Takes one message without the routing id in front. Must not throw. */
  readonly onMessage: (from: PeerId, frames: readonly Uint8Array[]) => void;
}

/** Opens a ROUTER socket; throws as `bindSocket` does. */
export async function createRouter(options: RouterOptions): Promise<Router> {
  const connections = new Map<PeerId, Connection>();
  const names = new Map<Connection, PeerId>();
  let nameless = 0;

  const attachment = await bindSocket(
    options,
    { socketType: "ROUTER" },
    {
      onReady(connection) {
        const { identity } = connection.peer;
        const name =
          identity.length > 0 ? `id:${Buffer.from(identity).toString("hex")}` : `#${nameless++}`;
        // As in ZeroMQ, who comes second under the same identity is not heard.
        if (connections.has(name)) return connection.close();
        connections.set(name, connection);
        names.set(connection, name);
      },
      onMessage(connection, frames) {
        const name = names.get(connection);
        if (name !== undefined) options.onMessage(name, frames);
      },
      onTopic: () => undefined,
      onGone(connection) {
        const name = names.get(connection);
        if (name === undefined) return;
        names.delete(connection);
        connections.delete(name);
      },
    },
  );
  return {
    endpoint: attachment.endpoint,
    get peers() {
      return connections.size;
    },
    send: (to, frames) => connections.get(to)?.send(encodeMessage(frames)) ?? false,
    has: (peer) => connections.has(peer),
    async drained(peer) {
      await connections.get(peer)?.drained();
    },
    close: () => attachment.close(),
  };
}
