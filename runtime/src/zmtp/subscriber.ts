import { type Attachment, bindSocket, connectSocket, type ZmtpOptions } from "./attach.ts";
import type { Connection } from "./connection.ts";
import { encodeMessage } from "./frames.ts";

/** A SUB socket. What its publishers send arrives in `onMessage`; it never sends. */
export interface Subscriber {
  readonly endpoint: string;
  /** Publishers that are connected now. */
  readonly publishers: number;
  close(): Promise<void>;
}

/** Where a SUB socket is, what it wants, and who hears it. */
export interface SubscriberOptions extends ZmtpOptions {
  /** `bind` for publishers that connect, as vLLM does to a plain address. */
  readonly mode: "bind" | "connect";
  /** Prefixes of the first frame; the empty one is everything. */
  readonly topics: readonly string[];
  /** Takes one message, in order for each publisher. Must not throw. */
  readonly onMessage: (frames: readonly Uint8Array[]) => void;
  /**
   * Called with each new connection, before its first message, and with each lost one. After a loss
   * messages are missing: publishers keep nothing for a subscriber that is away.
   */
  readonly onPublishers?: (count: number) => void;
}

/** Opens a SUB socket; throws as `bindSocket` does. */
export async function createSubscriber(options: SubscriberOptions): Promise<Subscriber> {
  // ZMTP 3.0's form, which newer publishers take as well.
  const wishes = options.topics.map((topic) =>
    encodeMessage([new Uint8Array(Buffer.from(`\x01${topic}`))]),
  );
  const connections = new Set<Connection>();
  const hooks = {
    onReady(connection: Connection) {
      connections.add(connection);
      options.onPublishers?.(connections.size);
      for (const wish of wishes) connection.send(wish);
    },
    onMessage: (_: Connection, frames: readonly Uint8Array[]) => options.onMessage(frames),
    onTopic: () => undefined,
    onGone(connection: Connection) {
      connections.delete(connection);
      options.onPublishers?.(connections.size);
    },
  };
  const presentation = { socketType: "SUB" } as const;
  const attachment: Attachment =
    options.mode === "bind"
      ? await bindSocket(options, presentation, hooks)
      : connectSocket(options, presentation, hooks);
  return {
    endpoint: attachment.endpoint,
    get publishers() {
      return connections.size;
    },
    close: () => attachment.close(),
  };
}
