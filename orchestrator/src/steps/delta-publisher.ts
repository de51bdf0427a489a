import { create, toBinary } from "@bufbuild/protobuf";
import { LiveUpdateSchema, TextDeltaSchema } from "@warmpath/proto/common";
import { type Bus, liveSubject } from "@warmpath/runtime";
import type { Clock } from "@warmpath/runtime/base";
import type { LiveText, TaskRef } from "@warmpath/state/log";

/** The text of one attempt on its way to watchers. */
export interface AttemptText {
  push(text: string): void;
  /** Sends what is still held; nothing may be pushed after it. */
  end(): void;
}

/**
 * Publishes answers in progress: the first piece at once, later ones bundled by one timer for all
 * runs.
 */
export interface DeltaPublisher {
  open(ref: TaskRef, step: number, attempt: bigint): AttemptText;
}

/** One publisher per worker, since its timer is shared by all runs. */
export function createDeltaPublisher(options: {
  readonly bus: Bus;
  readonly live: LiveText;
  readonly clock: Clock;
  readonly intervalMs: number;
}): DeltaPublisher {
  const { bus, live, clock, intervalMs } = options;
  const dirty = new Set<() => void>();
  let isTicking = false;
  const tick = async (): Promise<void> => {
    isTicking = true;
    while (dirty.size > 0) {
      await clock.sleep(intervalMs);
      const flushes = [...dirty];
      dirty.clear();
      for (const flush of flushes) flush();
    }
    isTicking = false;
  };
  return {
    open(ref, step, attempt) {
      const subject = liveSubject(ref.tenant, ref.taskId);
      let held = "";
      let offsetBytes = 0;
      let isFirst = true;
      const send = (text: string): void => {
        if (text === "") return;
        const delta = create(TextDeltaSchema, {
          step,
          attempt,
          offsetBytes: BigInt(offsetBytes),
          text,
        });
        offsetBytes += Buffer.byteLength(text);
        const update = create(LiveUpdateSchema, { update: { case: "delta", value: delta } });
        bus.publish(subject, toBinary(LiveUpdateSchema, update));
        live.append(ref, delta);
      };
      const flush = (): void => {
        const cut = endsInHalfCharacter(held) ? held.length - 1 : held.length;
        const text = held.slice(0, cut);
        held = held.slice(cut);
        send(text.toWellFormed());
      };
      return {
        push(text) {
          if (text === "") return;
          held += text;
          if (isFirst) {
            isFirst = false;
            flush();
            return;
          }
          dirty.add(flush);
          if (!isTicking) void tick();
        },
        end() {
          dirty.delete(flush);
          send(held.toWellFormed());
          held = "";
        },
      };
    },
  };
}

/**
 * True when the text ends in the first half of a surrogate pair, whose second half is still to
 * come.
 */
function endsInHalfCharacter(text: string): boolean {
  const last = text.charCodeAt(text.length - 1);
  return last >= 0xd800 && last <= 0xdbff;
}
