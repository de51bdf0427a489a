/**
 * vLLM's replay socket: a ROUTER that is asked with an empty frame and the first wanted sequence
 * number, and answers with one message for each kept batch and an end marker.
 */
import type { Logger } from "@warmpath/runtime/base";
import { createRouter, type PeerId, type Router } from "@warmpath/runtime/zmtp";
import type { ReplayBuffer } from "./replay-buffer.ts";

const empty = new Uint8Array();
const sequenceBytes = 8;

/** Ends each answer: the sequence number −1 with an empty topic and payload. */
const endMarker = [empty, empty, new Uint8Array(sequenceBytes).fill(0xff), empty];

/** What a replay socket answers from. */
export interface ReplayOptions {
  readonly endpoint: string;
  readonly topic: Uint8Array;
  readonly buffer: ReplayBuffer;
  /** Fault: an answer of more batches stops there, without its end marker. */
  readonly batchesMax: number;
  readonly log: Logger;
}

/** Binds the replay socket; throws `rejected-port-busy`. */
export async function openReplay(options: ReplayOptions): Promise<Router> {
  const router: Router = await createRouter({
    endpoint: options.endpoint,
    log: options.log,
    onMessage(from, frames) {
      const [delimiter, start] = frames;
      const isQuestion = frames.length === 2 && delimiter?.length === 0;
      if (!isQuestion || start?.length !== sequenceBytes) {
        options.log.warn("replay request not understood", { frames: frames.length });
        return;
      }
      const view = new DataView(start.buffer, start.byteOffset);
      void answer(router, from, view.getBigUint64(0), options);
    },
  });
  return router;
}

/** Waits for a slow asker instead of losing what does not fit its queue. */
async function answer(
  router: Router,
  to: PeerId,
  start: bigint,
  { buffer, topic, batchesMax }: ReplayOptions,
): Promise<void> {
  const batches = buffer.from(start);
  const messages = batches
    .slice(0, batchesMax)
    .map(({ sequence, payload }) => [empty, topic, sequenceFrame(sequence), payload]);
  if (batches.length <= batchesMax) messages.push(endMarker);
  for (const message of messages) {
    while (!router.send(to, message)) {
      if (!router.has(to)) return;
      await router.drained(to);
    }
  }
}

/** A sequence number as the wire has it: eight bytes, big-endian. */
export function sequenceFrame(sequence: number): Uint8Array {
  const bytes = new Uint8Array(sequenceBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(sequence));
  return bytes;
}
