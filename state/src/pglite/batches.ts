import type { FrontendMessage, MessageType } from "./frontend-messages.ts";

/** Messages of one client that run together, in one call into the database. */
export interface Batch {
  readonly bytes: Buffer;
  /** Messages in it. */
  readonly messages: number;
  readonly lastType: MessageType;
}

/** After these the client waits for an answer: ReadyForQuery, or with Flush (H) what there is. */
const endingTypes: ReadonlySet<MessageType> = new Set(["Q", "F", "S", "H"]);

/**
 * Gathers one client's messages into batches, so that a client that has sent half a batch needs
 * nothing of the database yet and holds nobody up.
 */
export class BatchGatherer {
  readonly #batchBytesMax: number;
  #parts: Buffer[] = [];
  #bytes = 0;

  /** A batch that passes `batchBytesMax` is handed out before its end, to keep memory bounded. */
  constructor(batchBytesMax: number) {
    this.#batchBytesMax = batchBytesMax;
  }

  /** Adds a message; returns the batch that it completes. */
  add(message: FrontendMessage & { readonly kind: "typed" }): Batch | undefined {
    this.#parts.push(message.bytes);
    this.#bytes += message.bytes.length;
    if (!endingTypes.has(message.type) && this.#bytes < this.#batchBytesMax) {
      return undefined;
    }
    const batch: Batch = {
      bytes: this.#parts.length === 1 ? message.bytes : Buffer.concat(this.#parts, this.#bytes),
      messages: this.#parts.length,
      lastType: message.type,
    };
    this.#parts = [];
    this.#bytes = 0;
    return batch;
  }
}
