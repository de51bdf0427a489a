import { connect, type NatsConnection, type Subscription } from "@nats-io/transport-node";
import {
  type Clock,
  type Logger,
  messageOf,
  silentLogger,
  systemClock,
  WarmpathError,
} from "../base/index.ts";
import { type Bus, busLimits, type OnMessage } from "./bus.ts";
import type { BusOptions } from "./memory-bus.ts";

/** Where NATS is. */
export interface NatsBusOptions extends BusOptions {
  /** `nats://host:port`, several joined by commas. */
  readonly url: string;
  /** Name shown in NATS's own monitoring. */
  readonly name?: string;
  readonly clock?: Clock;
}

/** Wait between attempts to connect, in ms; there is no last attempt. */
const reconnectWaitMs = 250;
/** How long one attempt may take, in ms. */
const connectTimeoutMs = 2_000;
/** A dead connection is noticed after two unanswered pings, in ms each. */
const pingIntervalMs = 10_000;
const pingsUnansweredMax = 2;

interface Interest {
  readonly subject: string;
  readonly onMessage: OnMessage;
  subscription: Subscription | undefined;
}

/**
 * A bus over core NATS. Connects in the background for as long as it takes, and again whenever the
 * connection is lost; subscriptions made meanwhile take effect with the connection. Never
 * JetStream: these messages are not worth a disk.
 */
export function createNatsBus(options: NatsBusOptions): Bus {
  const log = options.log ?? silentLogger;
  const interests = new Set<Interest>();
  const closing = new AbortController();
  let connection: NatsConnection | undefined;
  let isConnected = false;

  const listen = (interest: Interest) => {
    interest.subscription = connection?.subscribe(interest.subject, {
      callback: (error, message) => {
        if (error === null) {
          deliver(log, interest, message.data, message.subject);
        } else {
          log.warn("bus subscription failed", { detail: messageOf(error) });
        }
      },
    });
  };
  const running = connectAtLast(options, log, closing.signal).then(async (made) => {
    connection = made;
    if (made === undefined) {
      return;
    }
    isConnected = true;
    interests.forEach(listen);
    await watchStatus(made, log, (connected) => {
      isConnected = connected;
    });
  });

  return {
    publish(subject, payload) {
      // nats.js would buffer without bound while it reconnects, and deliver stale deltas
      // afterwards.
      const cause = isConnected ? tooLarge(payload) : "disconnected";
      if (cause !== undefined) {
        options.metrics?.dropped.inc({ cause });
        return;
      }
      try {
        connection?.publish(subject, payload);
      } catch (error) {
        options.metrics?.dropped.inc({ cause: "refused" });
        log.debug("bus publish refused", { subject, error });
      }
    },
    async subscribe(subject, onMessage) {
      if (interests.size >= busLimits.subscriptionsMax) {
        throw new WarmpathError(
          "rejected-queue-full",
          "the bus has as many subscriptions as it may",
        );
      }
      const interest: Interest = { subject, onMessage, subscription: undefined };
      interests.add(interest);
      if (connection !== undefined && isConnected) {
        listen(interest);
        // A round trip: from here on the server knows of the interest. If it fails, reconnecting
        // will tell it.
        await connection.flush().catch(() => undefined);
      } else if (connection !== undefined) {
        listen(interest);
      }
      return {
        close() {
          interests.delete(interest);
          interest.subscription?.unsubscribe();
          interest.subscription = undefined;
        },
      };
    },
    async ready() {
      if (!isConnected) {
        throw new WarmpathError("rejected-unavailable", "there is no connection to NATS");
      }
    },
    async close() {
      closing.abort();
      isConnected = false;
      interests.clear();
      await connection?.close();
      await running;
    },
  };
}

function tooLarge(payload: Uint8Array): string | undefined {
  return payload.byteLength > busLimits.payloadBytesMax ? "too-large" : undefined;
}

function deliver(log: Logger, interest: Interest, payload: Uint8Array, subject: string): void {
  try {
    interest.onMessage(payload, subject);
  } catch (error) {
    log.error("bus subscriber failed", { subject, error });
  }
}

/** The first connection, however long it takes; undefined when closed before. */
async function connectAtLast(
  options: NatsBusOptions,
  log: Logger,
  signal: AbortSignal,
): Promise<NatsConnection | undefined> {
  const clock = options.clock ?? systemClock;
  let isReported = false;
  while (!signal.aborted) {
    try {
      const connection = await connect({
        servers: options.url.split(","),
        name: options.name ?? "warmpath",
        maxReconnectAttempts: -1,
        reconnectTimeWait: reconnectWaitMs,
        timeout: connectTimeoutMs,
        pingInterval: pingIntervalMs,
        maxPingOut: pingsUnansweredMax,
      });
      if (signal.aborted) {
        await connection.close();
        return undefined;
      }
      log.info("bus connected");
      return connection;
    } catch (error) {
      if (!isReported) {
        isReported = true;
        log.warn("bus cannot connect yet", { url: options.url, detail: messageOf(error) });
      }
      await clock.sleep(reconnectWaitMs, signal).catch(() => undefined);
    }
  }
  return undefined;
}

async function watchStatus(
  connection: NatsConnection,
  log: Logger,
  onChange: (isConnected: boolean) => void,
): Promise<void> {
  for await (const status of connection.status()) {
    switch (status.type) {
      case "disconnect":
        log.warn("bus disconnected");
        onChange(false);
        break;
      case "reconnect":
        log.info("bus reconnected");
        onChange(true);
        break;
      case "close":
        onChange(false);
        return;
      default:
        break;
    }
  }
}
