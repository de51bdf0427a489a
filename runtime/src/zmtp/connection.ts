/** One peer's connection: the protocol's session, the bounded outbox, and the clock around them. */
import { after, type Clock } from "../base/index.ts";
import { pingCommand, type SocketType } from "./commands.ts";
import { ZmtpFault } from "./fault.ts";
import { encodeCommand } from "./frames.ts";
import type { ZmtpLimits } from "./limits.ts";
import { createOutbox } from "./outbox.ts";
import { createSession, type PeerInfo } from "./session.ts";
import type { Wire, WireHandlers } from "./wire.ts";

/** A connection whose handshake is over. */
export interface Connection {
  readonly peer: PeerInfo;
  /** Messages that wait for the peer. */
  readonly queuedMessages: number;
  /** Sends one encoded message; false when the peer's queue is full or the connection is gone. */
  send(message: Uint8Array): boolean;
  /** Resolves when nothing waits for the peer any more, or the connection is gone. */
  drained(): Promise<void>;
  close(): void;
}

/** What the socket above a connection is told. */
export interface ConnectionHooks {
  readonly onReady: (connection: Connection) => void;
  readonly onMessage: (connection: Connection, frames: readonly Uint8Array[]) => void;
  readonly onTopic: (connection: Connection, topic: Uint8Array, isWanted: boolean) => void;
  /** Called once for each connection; `connection` is undefined when it never became ready. */
  readonly onClosed: (connection: Connection | undefined, fault: ZmtpFault | undefined) => void;
}

/** How the connection behaves. */
export interface ConnectionOptions {
  readonly socketType: SocketType;
  readonly identity: Uint8Array;
  readonly limits: ZmtpLimits;
  readonly clock: Clock;
}

/** Runs the protocol over a byte stream that has just opened. */
export function openConnection(
  wire: Wire,
  options: ConnectionOptions,
  hooks: ConnectionHooks,
): WireHandlers {
  const { limits, clock } = options;
  const outbox = createOutbox(limits);
  const ended = new AbortController();
  let connection: Connection | undefined;
  let isClosed = false;
  let heardMs = clock.monotonicMs();
  let waitingForDrain: (() => void)[] = [];

  const flush = () => {
    outbox.flush((bytes) => wire.write(bytes));
    if (outbox.messages > 0) return;
    const waiting = waitingForDrain;
    waitingForDrain = [];
    for (const resolve of waiting) resolve();
  };
  const say = (bytes: Uint8Array) => {
    if (outbox.pushControl(bytes)) flush();
    else end(new ZmtpFault("too-large", "the peer asks and does not read the answers"));
  };
  const end = (fault: ZmtpFault | undefined) => {
    if (isClosed) return;
    isClosed = true;
    ended.abort();
    handshake.cancel();
    hooks.onClosed(connection, fault);
    for (const resolve of waitingForDrain) resolve();
    wire.close();
  };

  const handshake = after(clock, limits.handshakeMs, () => {
    end(new ZmtpFault("silent", `no handshake within ${limits.handshakeMs} ms`));
  });
  const session = createSession(options, {
    write: say,
    onReady(peer) {
      handshake.cancel();
      connection = {
        peer,
        get queuedMessages() {
          return outbox.messages;
        },
        send(message) {
          if (isClosed || !outbox.push(message)) return false;
          flush();
          return true;
        },
        drained() {
          if (isClosed || outbox.messages === 0) return Promise.resolve();
          return new Promise((resolve) => waitingForDrain.push(resolve));
        },
        close: () => end(undefined),
      };
      hooks.onReady(connection);
      if (limits.heartbeatMs > 0) void beat();
    },
    onMessage: (frames) => hooks.onMessage(connection!, frames),
    onTopic: (topic, isWanted) => hooks.onTopic(connection!, topic, isWanted),
  });

  /** Asks a silent peer for a sign of life, and gives it up when none comes. */
  async function beat(): Promise<void> {
    const { heartbeatMs } = limits;
    while (!isClosed) {
      try {
        await clock.sleep(heartbeatMs, ended.signal);
      } catch {
        return;
      }
      const silentMs = clock.monotonicMs() - heardMs;
      if (silentMs >= 2 * heartbeatMs) {
        end(new ZmtpFault("silent", `nothing heard for ${Math.round(silentMs)} ms`));
      } else if (silentMs >= heartbeatMs) {
        say(encodeCommand(pingCommand()));
      }
    }
  }

  return {
    onData(bytes) {
      if (isClosed) return;
      heardMs = clock.monotonicMs();
      try {
        session.receive(bytes);
      } catch (error) {
        if (!(error instanceof ZmtpFault)) throw error;
        end(error);
      }
    },
    onDrain: flush,
    onClose: () => end(undefined),
  };
}
