import type { Socket } from "bun";

/** One connection of the mock upstream. */
export interface Peer {
  /** Bytes may be reused by the caller as soon as this returns. */
  write(bytes: Uint8Array): void;
  isClosed(): boolean;
}

/** A peer, and what the socket has to tell it. */
export interface PeerSocket extends Peer {
  onDrain(): void;
  onClose(): void;
}

/** Writes to a socket, and keeps what a slow reader does not take yet. */
export function createPeer(socket: Socket<unknown>): PeerSocket {
  let unsent: Uint8Array[] = [];
  let closed = false;
  return {
    write(bytes) {
      if (closed) return;
      const written = unsent.length > 0 ? 0 : Math.max(0, socket.write(bytes));
      if (written < bytes.length) unsent.push(Uint8Array.from(bytes.subarray(written)));
    },
    isClosed: () => closed,
    onDrain() {
      const waiting = unsent;
      unsent = [];
      for (const [index, bytes] of waiting.entries()) {
        const written = Math.max(0, socket.write(bytes));
        if (written === bytes.length) continue;
        unsent = [bytes.subarray(written), ...waiting.slice(index + 1)];
        return;
      }
    },
    onClose() {
      closed = true;
      unsent = [];
    },
  };
}
