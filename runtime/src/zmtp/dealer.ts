import { connectSocket, type ZmtpOptions } from "./attach.ts";
import type { Connection } from "./connection.ts";
import { encodeMessage } from "./frames.ts";

/**
 * A DEALER socket that connects to one ROUTER: any number of messages either way, in order. For a
 * peer that expects REQ, put an empty frame in front.
 */
export interface Dealer {
  readonly isConnected: boolean;
  /**
   * False when there is no connection or its queue is full: the message was dropped. Nothing is
   * kept for a later connection, because whoever asked must know that its question is gone.
   */
  send(frames: readonly Uint8Array[]): boolean;
  close(): Promise<void>;
}

/** Where the ROUTER is and who hears it. */
export interface DealerOptions extends ZmtpOptions {
  /** The routing id to ask for; default none: the ROUTER makes one up. */
  readonly identity?: Uint8Array;
  /** Takes one message. Must not throw. */
  readonly onMessage: (frames: readonly Uint8Array[]) => void;
  /** Called when a connection is ready for messages, and when it is lost. */
  readonly onConnected?: (isConnected: boolean) => void;
}

/** Opens a DEALER socket, which connects in the background. Throws `rejected-invalid`. */
export function createDealer(options: DealerOptions): Dealer {
  let current: Connection | undefined;
  const { identity } = options;
  const attachment = connectSocket(
    options,
    { socketType: "DEALER", ...(identity === undefined ? {} : { identity }) },
    {
      onReady(connection) {
        current = connection;
        options.onConnected?.(true);
      },
      onMessage: (_, frames) => options.onMessage(frames),
      onTopic: () => undefined,
      onGone() {
        current = undefined;
        options.onConnected?.(false);
      },
    },
  );
  return {
    get isConnected() {
      return current !== undefined;
    },
    send: (frames) => current?.send(encodeMessage(frames)) ?? false,
    close: () => attachment.close(),
  };
}
