/**
 * Messages that wait for one peer's socket. Bounded in number and in bytes: what does not fit is
 * refused, so that a slow peer costs messages and not memory.
 */

/** What one write to the socket may join; a write costs about as much as copying this. */
const joinedBytesMax = 64 * 1024;

/** Room for the protocol's own commands when messages have filled theirs. */
const controlBytesMax = 64 * 1024;

/** Bounds of an outbox. */
export interface OutboxLimits {
  readonly queueMessagesMax: number;
  readonly queueBytesMax: number;
}

/** A bounded queue in front of a socket. */
export interface Outbox {
  /** Messages that have not gone out whole. */
  readonly messages: number;
  /** Adds a message; false when it does not fit and was dropped. */
  push(message: Uint8Array): boolean;
  /**
   * Adds what the protocol itself must say, such as a handshake. It has room beyond the messages';
   * false when even that is full, which only a peer that does not read brings about.
   */
  pushControl(bytes: Uint8Array): boolean;
  /** Writes until the socket takes no more. `write` returns how many bytes it took. */
  flush(write: (bytes: Uint8Array) => number): void;
}

/** An empty outbox. */
export function createOutbox(limits: OutboxLimits): Outbox {
  let queue: Uint8Array[] = [];
  let head = 0;
  let queuedBytes = 0;
  /** Bytes on their way, joined from `joinedMessages` messages, of which `written` are out. */
  let joined: Uint8Array | undefined;
  let joinedMessages = 0;
  let written = 0;

  const add = (bytes: Uint8Array) => {
    queue.push(bytes);
    queuedBytes += bytes.length;
  };

  const join = (): Uint8Array | undefined => {
    if (head === queue.length) return undefined;
    const first = head;
    let bytes = 0;
    do {
      bytes += queue[head]!.length;
      head += 1;
    } while (head < queue.length && bytes + queue[head]!.length <= joinedBytesMax);
    joinedMessages = head - first;
    const taken = queue.slice(first, head);
    // The front of the list is given back in large pieces.
    if (head === queue.length || head > 4_096) {
      queue = queue.slice(head);
      head = 0;
    }
    return taken.length === 1 ? taken[0] : new Uint8Array(Buffer.concat(taken));
  };

  return {
    get messages() {
      return queue.length - head + joinedMessages;
    },
    push(message) {
      const isFull =
        queue.length - head + joinedMessages >= limits.queueMessagesMax ||
        queuedBytes + message.length > limits.queueBytesMax;
      if (!isFull) add(message);
      return !isFull;
    },
    pushControl(bytes) {
      if (queuedBytes + bytes.length > limits.queueBytesMax + controlBytesMax) return false;
      add(bytes);
      return true;
    },
    flush(write) {
      for (;;) {
        joined ??= join();
        if (joined === undefined) return;
        const count = Math.max(0, write(written === 0 ? joined : joined.subarray(written)));
        written += count;
        queuedBytes -= count;
        if (written < joined.length) return;
        joined = undefined;
        joinedMessages = 0;
        written = 0;
      }
    },
  };
}
