import {
  AckPolicy,
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
} from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import { WarmpathError } from "@warmpath/runtime/base";
import { laneNames } from "../log/types.ts";

/** What an operator chooses of the stream. */
export interface StreamSizes {
  readonly messagesMax: number;
  /** Servers that hold each message. */
  readonly replicas: number;
}

/** A message is forgotten after a day: by then the sweeper has dispatched its task many times. */
const messageAgeMsMax = 24 * 3_600_000;
/**
 * Equal ids within this are one message, in ms: longer than a process takes to retry its outbox.
 */
const dedupeMs = 120_000;
/**
 * Codes with which JetStream refuses a count of replicas: a cluster that has too few servers, and a
 * server that is in none (`server/errors.json` of nats-server 2.15).
 */
const replicaCodes: ReadonlySet<number> = new Set([10_005, 10_074]);

/**
 * A pulled message that is neither acknowledged nor refused is offered again after this, in ms:
 * what a worker took just before it died waits this long. A claim, which comes before the answer,
 * takes milliseconds; a slower one only finds a second offer refused.
 */
const ackWaitMs = 5_000;

/**
 * Makes the stream be there with these sizes, and a durable consumer for each lane: what exists is
 * changed, and only what does not is added. Throws `rejected-config` where the server refuses, with
 * the setting to mend; throws the client's own error where there is no answer.
 */
export async function ensureStream(
  { streams, consumers }: JetStreamManager,
  name: string,
  sizes: StreamSizes,
): Promise<void> {
  const stream = {
    subjects: [`${name}.dispatch.>`],
    discard: DiscardPolicy.New,
    max_msgs: sizes.messagesMax,
    max_age: nanos(messageAgeMsMax),
    duplicate_window: nanos(dedupeMs),
    num_replicas: sizes.replicas,
  };
  const fixed = { name, retention: RetentionPolicy.Workqueue, storage: StorageType.File };
  await changeOrAdd(`the stream ${name}`, sizes, {
    change: () => streams.update(name, stream),
    missing: JetStreamApiCodes.StreamNotFound,
    add: () => streams.add({ ...stream, ...fixed }),
  });
  const eachLane = laneNames.map((lane) => {
    const consumer = {
      filter_subject: `${name}.dispatch.${lane}`,
      ack_wait: nanos(ackWaitMs),
      max_deliver: -1,
      // Delayed messages count as pending: a lower number would let them hold up the lane.
      max_ack_pending: sizes.messagesMax,
    };
    return changeOrAdd(`the consumer ${lane} of ${name}`, sizes, {
      change: () => consumers.update(name, lane, consumer),
      missing: JetStreamApiCodes.ConsumerNotFound,
      add: () =>
        consumers.add(name, { ...consumer, durable_name: lane, ack_policy: AckPolicy.Explicit }),
    });
  });
  await Promise.all(eachLane);
}

/**
 * Adds what the server does not know: at the first start, or when it forgot. Any other error of the
 * change is its own, and nothing that an attempt to add would answer.
 */
async function changeOrAdd(
  what: string,
  sizes: StreamSizes,
  how: {
    readonly change: () => Promise<unknown>;
    readonly missing: number;
    readonly add: () => Promise<unknown>;
  },
): Promise<void> {
  try {
    await how.change();
    return;
  } catch (error) {
    if (!(error instanceof JetStreamApiError && error.code === how.missing)) {
      throw refusalOf(error, `change ${what}`, sizes);
    }
  }
  try {
    await how.add();
  } catch (error) {
    throw refusalOf(error, `add ${what}`, sizes);
  }
}

function refusalOf(error: unknown, deed: string, { replicas }: StreamSizes): unknown {
  if (!(error instanceof JetStreamApiError)) {
    return error;
  }
  const advice = replicaCodes.has(error.code)
    ? `: WARMPATH_QUEUE_REPLICAS is ${replicas}, more servers than this NATS has; lower it ` +
      "(a server that is in no cluster takes 1), or add servers to the cluster"
    : "";
  const text = `JetStream did not ${deed}${advice} (${error.code}: ${error.message})`;
  return new WarmpathError("rejected-config", text, { cause: error });
}
