import { create } from "@bufbuild/protobuf";
import { type TextDelta, TextDeltaSchema } from "@warmpath/proto/common";
import { type Logger, messageOf } from "@warmpath/runtime/base";
import type { HotStore } from "../hot/hot-store.ts";
import type { LogConfig } from "./log-config.ts";
import type { LiveText, TaskRef } from "./types.ts";

/** Attempts of one step that the sequence number of a live text tells apart. */
const attemptBits = 40n;

function keyOf(ref: TaskRef): string {
  return `live:${ref.tenant}:${ref.taskId}`;
}

/** A later step supersedes all attempts of an earlier one. */
function seqOf(delta: { readonly step: number; readonly attempt: bigint }): bigint {
  return (BigInt(delta.step) << attemptBits) | delta.attempt;
}

/**
 * Writes answers in progress into the hot store; what does not fit or arrive is simply not shown to
 * latecomers.
 */
export function createLiveText(hot: HotStore, config: LogConfig, log: Logger): LiveText {
  let underWay = 0;
  const lastByKey = new Map<string, Promise<unknown>>();
  /** Pieces of one task go one after another: a gap would end the copy. */
  const enqueue = (key: string, work: () => Promise<unknown>) => {
    if (underWay >= config.livePiecesMax) {
      return;
    }
    underWay++;
    const done = (lastByKey.get(key) ?? Promise.resolve())
      .then(work)
      .catch((error: unknown) =>
        log.debug("a live text was not kept", { reason: messageOf(error) }),
      )
      .finally(() => {
        underWay--;
        if (lastByKey.get(key) === done) {
          lastByKey.delete(key);
        }
      });
    lastByKey.set(key, done);
  };
  return {
    append(ref, delta) {
      const bytes = new TextEncoder().encode(delta.text);
      const piece = {
        seq: seqOf(delta),
        offset: Number(delta.offsetBytes),
        bytes,
        sizeMaxBytes: config.liveBytesMax,
        ttlMs: config.liveTtlMs,
      };
      enqueue(keyOf(ref), () => hot.append(keyOf(ref), piece));
    },
    clear(ref) {
      enqueue(keyOf(ref), () => hot.delete(keyOf(ref)));
    },
  };
}

/**
 * The answer in progress as far as the hot store knows it; undefined too when the store is away.
 */
export async function readLive(hot: HotStore, ref: TaskRef): Promise<TextDelta | undefined> {
  try {
    const value = await hot.get(keyOf(ref));
    if (value === undefined || value.bytes.length === 0) {
      return undefined;
    }
    return create(TextDeltaSchema, {
      step: Number(value.seq >> attemptBits),
      attempt: value.seq & ((1n << attemptBits) - 1n),
      offsetBytes: 0n,
      text: new TextDecoder().decode(value.bytes),
    });
  } catch {
    // Hot copies are optional by contract: readers go on with the record.
    return undefined;
  }
}
