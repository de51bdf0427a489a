import { silentLogger } from "@warmpath/runtime/base";
import { createPublisher } from "@warmpath/runtime/zmtp";
import type { CacheEvent } from "../../engine/types.ts";
import { createBlockNames } from "./name-blocks.ts";
import type { KvEventSettings } from "./options.ts";
import { openReplay, sequenceFrame } from "./replay.ts";
import { createReplayBuffer } from "./replay-buffer.ts";
import type { CacheEventSink, StoredTokens } from "./types.ts";
import { encodeBatch, type WireEvent } from "./wire-batch.ts";

/** What a subscriber may have lost, for tests and reports. */
export interface KvEventCounts {
  /** Batches made; also the next sequence number. */
  readonly batches: number;
  /** Batches that `isLost` kept from the subscribers; they are in the replay buffer. */
  readonly lost: number;
  /** Messages that did not fit a slow subscriber's queue. */
  readonly overflowed: number;
  readonly subscribers: number;
  /** Events of requests whose tokens nobody knew any more. */
  readonly unnamed: number;
}

/** A sink that publishes as vLLM does. */
export interface KvEvents extends CacheEventSink {
  readonly counts: KvEventCounts;
}

/** One engine, one rank. */
const rank = 0;

/**
 * vLLM's default length of the queue before its publisher's thread; there is no such queue here.
 */
const maxQueueSize = 100_000;

/**
 * Opens vLLM's KV event publisher: one batch a step on a PUB socket, numbered from 0, and a replay
 * socket. Undefined when the settings name no endpoint. Throws `rejected-invalid` or
 * `rejected-port-busy`.
 */
export async function openKvEvents(
  settings: KvEventSettings,
  stored: StoredTokens,
  log = silentLogger,
): Promise<KvEvents | undefined> {
  const { kvEventsEndpoint: endpoint, kvEventsReplayEndpoint: replayEndpoint } = settings;
  if (endpoint === undefined) return undefined;
  const topicText = settings.kvEventsTopic ?? "";
  const topic = new TextEncoder().encode(topicText);
  const buffer = createReplayBuffer(settings.kvEventsBufferSteps);
  const names = createBlockNames(stored, {
    hash: settings.kvEventsHash,
    seed: settings.kvEventsHashSeed,
  });
  const publisher = await createPublisher({
    endpoint,
    mode: binds(endpoint) ? "bind" : "connect",
    limits: { queueMessagesMax: settings.kvEventsHwm },
    log,
  });
  const replay =
    replayEndpoint === undefined
      ? undefined
      : await openReplay({
          endpoint: replayEndpoint,
          topic,
          buffer,
          batchesMax: settings.kvEventsReplayMax,
          log,
        }).catch(async (error: unknown) => {
          await publisher.close();
          throw error;
        });
  let waiting: WireEvent[] = [];
  let batches = 0;
  let lost = 0;
  let unnamed = 0;

  const send = (events: readonly WireEvent[], nowMs: number) => {
    const sequence = batches++;
    const payload = encodeBatch(nowMs / 1000, events, rank, settings.kvEventsFormat);
    buffer.add(sequence, payload);
    if (stored.isLost()) lost += 1;
    else publisher.publish([topic, sequenceFrame(sequence), payload]);
  };

  return {
    publish(events: readonly CacheEvent[], nowMs: number) {
      const named = events.map((event) => names.wireEvent(event));
      const wire = named.filter((event) => event !== undefined);
      unnamed += named.length - wire.length;
      waiting.push(...wire);
      // Without a step there is no batch, so a cleared cache is told with the next step's.
      if (wire.every(({ type }) => type === "AllBlocksCleared")) return;
      const batch = waiting;
      waiting = [];
      send(batch, nowMs);
    },
    describe: () => ({
      enable_kv_cache_events: true,
      publisher: "zmq",
      endpoint: asTold(endpoint, publisher.endpoint),
      replay_endpoint: replay === undefined ? null : asTold(replayEndpoint, replay.endpoint),
      buffer_steps: settings.kvEventsBufferSteps,
      hwm: settings.kvEventsHwm,
      max_queue_size: maxQueueSize,
      topic: topicText,
    }),
    get counts() {
      const { dropped: overflowed, subscribers } = publisher;
      return { batches, lost, overflowed, subscribers, unnamed };
    },
    async close() {
      await Promise.all([publisher.close(), replay?.close()]);
    },
  };
}

/** vLLM's rule: wildcards and ipc bind, every other address is connected to. */
function binds(endpoint: string): boolean {
  return endpoint.includes("*") || endpoint.includes("::") || endpoint.startsWith("ipc://");
}

/** vLLM tells an endpoint as it was given, unless the system chose the port. */
function asTold(given: string | undefined, bound: string): string {
  return given === undefined || /:(0|\*)$/.test(given) ? bound : given;
}
