import { connect, type NatsConnection } from "@nats-io/transport-node";
import { type Clock, type Logger, messageOf } from "@warmpath/runtime/base";

/** A connection to NATS that is made in the background and made again for as long as it takes. */
export interface NatsLink {
  /** The connection while it is up and set up; undefined otherwise. */
  readonly current: () => NatsConnection | undefined;
  /** Resolves after the first attempt, whatever came of it. */
  readonly firstAttempt: Promise<void>;
  close(): Promise<void>;
}

/** How to keep the link. */
export interface NatsLinkOptions {
  /** `nats://host:port`, several joined by commas. */
  readonly url: string;
  readonly log: Logger;
  readonly clock: Clock;
  /** Runs after each connect, before the link counts as up; repeated until it succeeds. */
  readonly setUp: (connection: NatsConnection) => Promise<void>;
  readonly onUp: () => void;
  readonly onDown: () => void;
}

/** Wait between attempts, in ms; there is no last attempt. */
const retryMs = 250;
/** How long one attempt to connect may take, in ms. */
const connectMsMax = 2_000;
/** A dead connection is noticed after two unanswered pings, in ms each. */
const pingMs = 2_000;

/** Connects, and stays connected. */
export function createNatsLink(options: NatsLinkOptions): NatsLink {
  const { clock, log } = options;
  const closing = new AbortController();
  const attempted = Promise.withResolvers<void>();
  let connection: NatsConnection | undefined;
  let isUp = false;
  let isReported = false;

  const goDown = (why: string) => {
    if (isUp) {
      isUp = false;
      log.warn("the connection to NATS is down", { reason: why });
      options.onDown();
    }
  };
  const report = (error: unknown) => {
    if (!isReported && !closing.signal.aborted) {
      isReported = true;
      log.warn("NATS cannot be used yet", { reason: messageOf(error) });
    }
  };
  const goUp = async (made: NatsConnection) => {
    while (!closing.signal.aborted && !made.isClosed()) {
      try {
        await options.setUp(made);
        isUp = true;
        isReported = false;
        options.onUp();
        return;
      } catch (error) {
        report(error);
        attempted.resolve();
        await clock.sleep(retryMs, closing.signal).catch(() => undefined);
      }
    }
  };
  const watch = async (made: NatsConnection) => {
    // One that was closed meanwhile has no more news, and would not say that there are none.
    if (made.isClosed()) {
      return;
    }
    for await (const status of made.status()) {
      if (status.type === "disconnect" || status.type === "close") {
        goDown(status.type);
      } else if (status.type === "reconnect") {
        void goUp(made);
      }
    }
  };
  const run = async () => {
    while (!closing.signal.aborted) {
      try {
        const made = await connectOnce(options.url);
        connection = made;
        if (closing.signal.aborted) {
          await made.close();
          return;
        }
        await goUp(made);
        attempted.resolve();
        await watch(made);
      } catch (error) {
        report(error);
      }
      goDown("closed");
      attempted.resolve();
      await clock.sleep(retryMs, closing.signal).catch(() => undefined);
    }
  };
  const running = run();
  return {
    current: () => (isUp ? connection : undefined),
    firstAttempt: attempted.promise,
    async close() {
      closing.abort();
      isUp = false;
      await connection?.close();
      await running;
    },
  };
}

function connectOnce(url: string): Promise<NatsConnection> {
  return connect({
    servers: url.split(","),
    name: "warmpath-queue",
    maxReconnectAttempts: -1,
    reconnectTimeWait: retryMs,
    timeout: connectMsMax,
    pingInterval: pingMs,
    maxPingOut: 2,
  });
}
