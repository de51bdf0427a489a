/** How a socket meets its peers: it listens, or it connects and keeps connecting. */
import {
  backoffMs,
  type Clock,
  type Logger,
  messageOf,
  type Random,
  silentLogger,
  systemClock,
  systemRandom,
} from "../base/index.ts";
import type { SocketType } from "./commands.ts";
import { type Connection, type ConnectionHooks, openConnection } from "./connection.ts";
import { parseEndpoint } from "./endpoint.ts";
import type { ZmtpFault } from "./fault.ts";
import { defaultZmtpLimits, type ZmtpLimits } from "./limits.ts";
import { dialWire, listenWire, type OnOpen } from "./wire.ts";

/** What every kind of socket can be given. */
export interface ZmtpOptions {
  /** `tcp://host:port` or `ipc://path`. */
  readonly endpoint: string;
  readonly limits?: Partial<ZmtpLimits>;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly log?: Logger;
  /** Told of each peer that was dropped for a fault of its own, and of each refused connection. */
  readonly onFault?: (fault: ZmtpFault) => void;
}

/** A socket's place at one endpoint. */
export interface Attachment {
  /** Where it is; for a bound socket with the port that was taken. */
  readonly endpoint: string;
  /** Leaves: closes what listens and every connection. */
  close(): Promise<void>;
}

/** What the kinds of sockets do with their connections. */
export type AttachHooks = Omit<ConnectionHooks, "onClosed"> & {
  readonly onGone: (connection: Connection) => void;
};

/** How a kind of socket presents itself. */
export interface Presentation {
  readonly socketType: SocketType;
  readonly identity?: Uint8Array;
}

/** Listens; throws `rejected-invalid` for a bad endpoint, `rejected-port-busy` for a taken one. */
export async function bindSocket(
  options: ZmtpOptions,
  presentation: Presentation,
  hooks: AttachHooks,
): Promise<Attachment> {
  const limits = { ...defaultZmtpLimits, ...options.limits };
  const crowd = gather(options, presentation, limits, hooks);
  const listener = await listenWire(parseEndpoint(options.endpoint), (wire) => {
    if (crowd.size < limits.peersMax) return crowd.open(wire, () => undefined);
    wire.close();
    return { onData: () => undefined, onDrain: () => undefined, onClose: () => undefined };
  });
  return {
    endpoint: listener.endpoint,
    async close() {
      crowd.close();
      listener.close();
    },
  };
}

/**
 * Connects in the background and again whenever the connection is lost, for ever, waiting longer
 * and longer while nobody answers. Throws `rejected-invalid` for a bad endpoint.
 */
export function connectSocket(
  options: ZmtpOptions,
  presentation: Presentation,
  hooks: AttachHooks,
): Attachment {
  const limits = { ...defaultZmtpLimits, ...options.limits };
  const { clock = systemClock, random = systemRandom, log = silentLogger } = options;
  const address = parseEndpoint(options.endpoint);
  const crowd = gather(options, presentation, limits, hooks);
  const stopped = new AbortController();

  /** True when the connection became ready before it was lost. */
  const connectOnce = async (): Promise<boolean> => {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    try {
      await dialWire(address, (wire) => crowd.open(wire, resolve));
    } catch (error) {
      log.debug("zmtp peer cannot be reached", {
        endpoint: options.endpoint,
        detail: messageOf(error),
      });
      return false;
    }
    return await promise;
  };
  const keepConnecting = async (): Promise<void> => {
    let failures = 0;
    while (!stopped.signal.aborted) {
      failures = (await connectOnce()) ? 0 : failures + 1;
      const waitMs = backoffMs(failures, limits.reconnectMinMs, limits.reconnectMaxMs, random);
      // Only the end of it all interrupts the wait.
      await clock.sleep(waitMs, stopped.signal).catch(() => undefined);
    }
  };
  void keepConnecting();
  return {
    endpoint: options.endpoint,
    async close() {
      stopped.abort();
      // An attempt that is under way ends by itself; what it opens is closed at once.
      crowd.close();
    },
  };
}

/** The connections of one socket. */
interface Crowd {
  readonly size: number;
  /** `onEnd` hears whether the connection had become ready. */
  open(wire: Parameters<OnOpen>[0], onEnd: (wasReady: boolean) => void): ReturnType<OnOpen>;
  close(): void;
}

function gather(
  options: ZmtpOptions,
  presentation: Presentation,
  limits: ZmtpLimits,
  hooks: AttachHooks,
): Crowd {
  const { clock = systemClock, log = silentLogger, onFault } = options;
  const { socketType, identity = new Uint8Array() } = presentation;
  const open = new Set<{ close(): void }>();
  let isClosed = false;

  return {
    get size() {
      return open.size;
    },
    open(wire, onEnd) {
      const handle = { close: () => handlers.onClose() };
      open.add(handle);
      const handlers = openConnection(
        wire,
        { socketType, identity, limits, clock },
        {
          ...hooks,
          onClosed(connection, fault) {
            open.delete(handle);
            if (fault !== undefined) {
              log.warn("zmtp peer dropped", { endpoint: options.endpoint, error: fault });
              onFault?.(fault);
            }
            if (connection !== undefined) hooks.onGone(connection);
            onEnd(connection !== undefined);
          },
        },
      );
      if (isClosed) handle.close();
      return handlers;
    },
    close() {
      isClosed = true;
      for (const handle of [...open]) handle.close();
    },
  };
}
