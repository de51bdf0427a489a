import { create, toBinary } from "@bufbuild/protobuf";
import { LiveUpdateSchema } from "@warmpath/proto/common";
import { type Bus, controlSubject, liveSubject, taskEndedSubject } from "@warmpath/runtime";
import type { TaskRef } from "./types.ts";

/**
 * Tells watchers that events up to `seq` are committed. Advisory: a watcher that misses it asks
 * again.
 */
export function announceRecorded(bus: Bus, ref: TaskRef, seq: bigint): void {
  const update = create(LiveUpdateSchema, { update: { case: "recordedSeq", value: seq } });
  bus.publish(liveSubject(ref.tenant, ref.taskId), toBinary(LiveUpdateSchema, update));
}

/** Tells the worker that holds the task to look into its inbox. */
export function announceInput(bus: Bus, ref: TaskRef): void {
  bus.publish(controlSubject(ref.tenant, ref.taskId), new Uint8Array());
}

/** Tells whoever waits for the task's end. */
export function announceEnded(bus: Bus, ref: TaskRef): void {
  bus.publish(taskEndedSubject(ref.tenant, ref.taskId), new Uint8Array());
}
