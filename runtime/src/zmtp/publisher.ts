import { type Attachment, bindSocket, connectSocket, type ZmtpOptions } from "./attach.ts";
import type { Connection } from "./connection.ts";
import { ZmtpFault } from "./fault.ts";
import { encodeMessage } from "./frames.ts";
import { defaultZmtpLimits } from "./limits.ts";

/** A PUB socket: what is published goes to whoever has asked for its topic, and to nobody else. */
export interface Publisher {
  readonly endpoint: string;
  /** Connections that have asked for at least one topic. */
  readonly subscribers: number;
  /** Messages not sent to one subscriber because its queue was full, summed over subscribers. */
  readonly dropped: number;
  /**
   * Sends a message to every subscriber that asked for a prefix of its first frame; returns how
   * many took it. Never waits: a subscriber whose queue is full misses it.
   */
  publish(frames: readonly Uint8Array[]): number;
  close(): Promise<void>;
}

/** Where a PUB socket is, and who comes to whom. */
export interface PublisherOptions extends ZmtpOptions {
  /** `bind` waits for subscribers, `connect` goes to a subscriber that has bound. */
  readonly mode: "bind" | "connect";
  /** Called when a subscriber asks for its first topic, and when it has gone. */
  readonly onSubscribers?: (count: number) => void;
}

/** Opens a PUB socket; throws as `bindSocket` does. */
export async function createPublisher(options: PublisherOptions): Promise<Publisher> {
  const topicsMax = options.limits?.topicsMax ?? defaultZmtpLimits.topicsMax;
  const topicsOf = new Map<Connection, Map<string, number>>();
  let dropped = 0;

  const hooks = {
    onReady: () => undefined,
    onMessage: () => undefined,
    onTopic(connection: Connection, topic: Uint8Array, isWanted: boolean) {
      const topics = topicsOf.get(connection) ?? new Map<string, number>();
      const before = topics.size;
      change(topics, latin1(topic), isWanted ? 1 : -1);
      if (topics.size > topicsMax) {
        throw new ZmtpFault("too-large", `more than ${topicsMax} topics of one subscriber`);
      }
      if (topics.size > 0) topicsOf.set(connection, topics);
      else topicsOf.delete(connection);
      if ((before === 0) !== (topics.size === 0)) options.onSubscribers?.(topicsOf.size);
    },
    onGone(connection: Connection) {
      if (topicsOf.delete(connection)) options.onSubscribers?.(topicsOf.size);
    },
  };
  const presentation = { socketType: "PUB" } as const;
  const attachment: Attachment =
    options.mode === "bind"
      ? await bindSocket(options, presentation, hooks)
      : connectSocket(options, presentation, hooks);

  return {
    endpoint: attachment.endpoint,
    get subscribers() {
      return topicsOf.size;
    },
    get dropped() {
      return dropped;
    },
    publish(frames) {
      if (topicsOf.size === 0) return 0;
      const topic = latin1(frames[0] ?? new Uint8Array());
      let encoded: Uint8Array | undefined;
      let sent = 0;
      for (const [connection, topics] of topicsOf) {
        if (!matches(topics, topic)) continue;
        encoded ??= encodeMessage(frames);
        if (connection.send(encoded)) sent += 1;
        else dropped += 1;
      }
      return sent;
    },
    close: () => attachment.close(),
  };
}

/** A topic asked for twice must be cancelled twice, as in ZeroMQ. */
function change(topics: Map<string, number>, topic: string, by: number): void {
  const count = (topics.get(topic) ?? 0) + by;
  if (count > 0) topics.set(topic, count);
  else topics.delete(topic);
}

function matches(topics: ReadonlyMap<string, number>, topic: string): boolean {
  if (topics.has("")) return true;
  for (const prefix of topics.keys()) if (topic.startsWith(prefix)) return true;
  return false;
}

/** One character a byte, so that prefixes of bytes are prefixes of strings. */
function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}
