import {
  type Clock,
  type Logger,
  messageOf,
  type Random,
  silentLogger,
  WarmpathError,
} from "@warmpath/runtime/base";
import { createDealer, createSubscriber, type Subscriber } from "@warmpath/runtime/zmtp";
import { decodeKvMessage, decodeKvReplay, encodeKvReplayRequest } from "./decode.ts";
import { createFollower, type Follower, type Forgotten } from "./follow.ts";
import type { KvSource } from "./sources.ts";
import type { KvBatch } from "./types.ts";

/** What a stream tells. */
export interface StreamHooks {
  /** A batch in its order, replayed or not. */
  readonly onBatch: (batch: KvBatch) => void;
  /** A live message has come, whether its turn is now or after a gap has closed. */
  readonly onHeard: (batch: KvBatch) => void;
  readonly onForgotten: (why: Forgotten) => void;
  readonly onComplete: (isComplete: boolean) => void;
  readonly onAsk: () => void;
  /** A message that is no event batch: what it changed is lost. */
  readonly onUnreadable: (error: unknown) => void;
}

/** What a stream stands on. */
export interface StreamMeans {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Largest message taken, in bytes. */
  readonly messageBytesMax: number;
}

/** One engine rank's event stream, over sockets. */
export interface EventStream {
  readonly follower: Follower;
  /** Call it a few times a second. */
  tick(): void;
  close(): Promise<void>;
}

/** Silence of a replay after which the rest is asked for: vLLM looks ten times a second. */
const quietMs = 1000;
/** Answers without the missing batches, after which they are given up. */
const asksMax = 3;
/** Batches that wait for a gap to close: some seconds of a busy engine's steps. */
const heldMax = 4096;
/** A connection whose engine has vanished without a word is found dead after twice this. */
const heartbeatMs = 5000;

/**
 * Opens the sockets of one source: they connect in the background and again after each loss, with
 * backoff and jitter. Throws `rejected-invalid` for an endpoint that is none.
 */
export async function openStream(
  source: KvSource,
  means: StreamMeans,
  hooks: StreamHooks,
): Promise<EventStream> {
  const { clock, random, messageBytesMax } = means;
  const nowMs = () => clock.monotonicMs();
  /** The question that the replay socket has not been able to take. */
  let unasked: number | undefined;
  const ask = (start: number) => {
    unasked = dealer?.send(encodeKvReplayRequest(start)) === true ? undefined : start;
  };
  const follower = createFollower(
    {
      onBatch: hooks.onBatch,
      onForgotten: hooks.onForgotten,
      onComplete: hooks.onComplete,
      onAsk(start) {
        hooks.onAsk();
        ask(start);
      },
    },
    { quietMs, asksMax, heldMax },
  );
  const guarded = (read: () => void) => {
    try {
      read();
    } catch (error) {
      if (!(error instanceof WarmpathError)) throw error;
      hooks.onUnreadable(error);
    }
  };
  const shared = {
    clock,
    random,
    limits: { messageBytesMax, heartbeatMs },
    // What an engine does to its sockets is told as a change of trust, once.
    log: silentLogger,
  };
  const { replayEndpoint } = source;
  const dealer =
    replayEndpoint === undefined
      ? undefined
      : createDealer({
          ...shared,
          endpoint: replayEndpoint,
          onConnected(isConnected) {
            if (isConnected && unasked !== undefined) ask(unasked);
          },
          onMessage: (frames) => guarded(() => follower.replayed(decodeKvReplay(frames), nowMs())),
        });
  let publishers = 0;
  const subscriber = await subscribe(source, means, {
    ...shared,
    onMessage: (frames) =>
      guarded(() => {
        const message = decodeKvMessage(frames);
        follower.live(message, nowMs());
        hooks.onHeard(message.batch);
      }),
    onPublishers(count) {
      // One more is the engine again, or another one: both have to be looked at.
      if (count > publishers) follower.connected(nowMs());
      else if (count === 0) follower.lost();
      publishers = count;
    },
  }).catch(async (error: unknown) => {
    await dealer?.close();
    throw error;
  });
  return {
    follower,
    tick: () => follower.tick(nowMs()),
    close: async () => {
      await Promise.all([subscriber.close(), dealer?.close()]);
    },
  };
}

/** Binds where vLLM would connect, and connects where that place is taken or not ours. */
async function subscribe(
  { endpoint, mode, topic }: KvSource,
  { log }: StreamMeans,
  options: Omit<Parameters<typeof createSubscriber>[0], "endpoint" | "mode" | "topics">,
): Promise<Subscriber> {
  const all = { ...options, endpoint, topics: [topic] };
  if (mode === "either") {
    try {
      return await createSubscriber({ ...all, mode: "bind" });
    } catch (error) {
      log.debug("kv events are not sent here", { endpoint, detail: messageOf(error) });
    }
  }
  return await createSubscriber({ ...all, mode: "connect" });
}
