import {
  type Consumer,
  type JetStreamClient,
  type JsMsg,
  jetstream,
  jetstreamManager,
} from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { type Clock, type Logger, messageOf, WarmpathError } from "@warmpath/runtime/base";
import { type Dispatch, type LaneName, laneNames } from "../log/types.ts";
import type { DispatchMessage, DispatchQueue } from "./dispatch-queue.ts";
import { createNatsLink } from "./nats-link.ts";
import { ensureStream, type StreamSizes } from "./nats-stream.ts";
import { createPullers, type Pullers } from "./pullers.ts";

/** Where JetStream is. */
export interface NatsQueueOptions {
  readonly url: string;
  readonly log: Logger;
  readonly clock: Clock;
  /** Name of the stream and first word of its subjects. Default "WARMPATH". */
  readonly name?: string;
  /**
   * Messages kept by the stream; more are refused, and the outbox keeps them. Default 1,000,000.
   */
  readonly messagesMax?: number;
  /** Servers that hold each message, as many as the cluster has at most. Default 1. */
  readonly replicas?: number;
}

const messagesMaxDefault = 1_000_000;
/** Wait for the server to store a message, in ms. */
const publishMsMax = 2_000;
/** One request for a message waits this long at the server, in ms; then it is renewed. */
const nextMsMax = 10_000;
/**
 * A message that came when nobody wanted it any more is kept this long for the next puller, in ms.
 */
const holdMsMax = 500;
const retryMs = 250;

interface Session {
  readonly js: JetStreamClient;
  readonly consumers: Readonly<Record<LaneName, Consumer>>;
}

/**
 * The dispatch queue over JetStream: one work-queue stream, one durable consumer for each lane,
 * since JetStream has no priority of messages. A delayed message waits beside the others, not
 * before them.
 */
export function createNatsQueue(options: NatsQueueOptions): DispatchQueue {
  const { clock, log } = options;
  const name = options.name ?? "WARMPATH";
  const pullers = createPullers();
  let session: Session | undefined;
  /** Why there is a connection and no session. */
  let refusal: string | undefined;
  const away = () => unavailable(refusal ?? "there is no connection to JetStream");
  const link = createNatsLink({
    ...options,
    async setUp(connection) {
      const { messagesMax = messagesMaxDefault, replicas = 1 } = options;
      try {
        session = await openSession(connection, name, { messagesMax, replicas });
        refusal = undefined;
      } catch (error) {
        refusal = messageOf(error);
        throw error;
      }
    },
    onUp: () => fetchers.forEach((each) => void each.kick()),
    onDown: () => {
      refusal = undefined;
      pullers.fail(away());
    },
  });
  const up = () => (link.current() === undefined ? undefined : session);
  const fetchers = laneNames.map((lane) => createFetcher(lane, { pullers, clock, log, up }));
  const need = async () => {
    await link.firstAttempt;
    const now = up();
    if (now === undefined) {
      throw away();
    }
    return now;
  };
  return {
    async publish(messages) {
      const { js } = await need();
      await asUnavailable(Promise.all(messages.map((message) => send(js, name, message))));
    },
    async pull(lanes, signal) {
      await need();
      signal.throwIfAborted();
      const wanted = lanes.flatMap((lane) => fetchers.filter((each) => each.lane === lane));
      for (const fetcher of wanted) {
        const held = fetcher.takeHeld();
        if (held !== undefined) {
          return held;
        }
      }
      const dispatch = pullers.wait(lanes, signal);
      wanted.forEach((fetcher) => void fetcher.kick());
      return await dispatch;
    },
    async depth() {
      const { consumers } = await need();
      const infos = laneNames.map(async (lane) => {
        const info = await consumers[lane].info();
        return [lane, info.num_pending + info.num_ack_pending] as const;
      });
      // One pair for each lane name.
      return Object.fromEntries(await asUnavailable(Promise.all(infos))) as Record<
        LaneName,
        number
      >;
    },
    async ready() {
      await need();
    },
    async close() {
      pullers.fail(away());
      for (const fetcher of fetchers) {
        fetcher.takeHeld()?.nak(0);
      }
      await link.close();
    },
  };
}

function unavailable(why: string): WarmpathError {
  return new WarmpathError("rejected-unavailable", why, { retryAfterMs: 1000 });
}

async function asUnavailable<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new WarmpathError("failed-unavailable", "JetStream did not answer", { cause: error });
  }
}

async function openSession(
  connection: NatsConnection,
  name: string,
  sizes: StreamSizes,
): Promise<Session> {
  const manager = await jetstreamManager(connection);
  await ensureStream(manager, name, sizes);
  const js = jetstream(connection);
  const consumers = laneNames.map(async (lane) => {
    return [lane, await js.consumers.get(name, lane)] as const;
  });
  const pairs = await Promise.all(consumers);
  // One pair for each lane name.
  return { js, consumers: Object.fromEntries(pairs) as Record<LaneName, Consumer> };
}

async function send(js: JetStreamClient, name: string, message: DispatchMessage): Promise<void> {
  const subject = `${name}.dispatch.${message.lane}`;
  const payload = JSON.stringify([message.ref.tenant, message.ref.taskId]);
  await js.publish(subject, payload, { msgID: message.dedupeId, timeout: publishMsMax });
}

/** Asks for one lane's messages while somebody wants them, one request at a time. */
interface Fetcher {
  readonly lane: LaneName;
  kick(): Promise<void>;
  /** A message that came when nobody wanted it any more. */
  takeHeld(): Dispatch | undefined;
}

function createFetcher(
  lane: LaneName,
  deps: {
    readonly pullers: Pullers;
    readonly clock: Clock;
    readonly log: Logger;
    readonly up: () => Session | undefined;
  },
): Fetcher {
  const { pullers, clock, log, up } = deps;
  let isFetching = false;
  let held: Dispatch | undefined;

  const hold = async (dispatch: Dispatch) => {
    held = dispatch;
    await clock.sleep(holdMsMax);
    if (held === dispatch) {
      held = undefined;
      dispatch.nak(0);
    }
  };
  const fetchOne = async (consumer: Consumer) => {
    const message = await consumer.next({ expires: nextMsMax });
    const dispatch = message === null ? undefined : dispatchFrom(message, lane);
    if (dispatch !== undefined && !pullers.give(lane, () => dispatch)) {
      void hold(dispatch);
    }
  };
  return {
    lane,
    takeHeld() {
      const taken = held;
      held = undefined;
      return taken;
    },
    async kick() {
      if (isFetching) {
        return;
      }
      isFetching = true;
      for (let now = up(); now !== undefined && pullers.isWanted(lane); now = up()) {
        try {
          await fetchOne(now.consumers[lane]);
        } catch (error) {
          log.warn("JetStream gave no message", { lane, reason: messageOf(error) });
          await clock.sleep(retryMs);
        }
      }
      isFetching = false;
    },
  };
}

/** Undefined for a message that is none of ours: it is taken off the queue. */
function dispatchFrom(message: JsMsg, lane: LaneName): Dispatch | undefined {
  const [tenant, taskId] = parsePair(message.string());
  if (tenant === undefined || taskId === undefined) {
    message.term("not a dispatch");
    return undefined;
  }
  return {
    ref: { tenant, taskId },
    lane,
    ack: () => message.ack(),
    nak: (delayMs) => message.nak(Math.max(1, delayMs)),
  };
}

function parsePair(text: string): readonly [string, string] | readonly [] {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && typeof value[0] === "string" && typeof value[1] === "string"
      ? [value[0], value[1]]
      : [];
  } catch {
    return [];
  }
}
