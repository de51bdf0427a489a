import { create, fromBinary } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  FailureSchema,
  Lane,
  type Task,
  TaskSchema,
  TaskState,
  UsageSchema,
} from "@warmpath/proto/common";
import { textFromUtf8 } from "../log/bytes.ts";
import type { LaneName, StateName } from "../log/types.ts";

/** Columns of a task's head. */
export interface TaskHeadRow {
  readonly task_id: string;
  readonly state: StateName;
  readonly agent: string;
  readonly thread_id: Uint8Array | null;
  readonly lane: LaneName;
  readonly prompt: Uint8Array;
  readonly answer: Uint8Array | null;
  readonly failure: Uint8Array | null;
  readonly usage: Uint8Array;
  readonly steps: number;
  readonly parent_task_id: string | null;
  readonly created_at: number;
  readonly updated_at: number;
}

/** Column list for {@link TaskHeadRow}. */
export const taskHeadColumns = `task_id, state, agent, thread_id, lane, prompt, answer, failure, usage,
  steps, parent_task_id, created_at, updated_at`;

/** The contract's number of each state. */
export const stateNumber: Readonly<Record<StateName, TaskState>> = {
  QUEUED: TaskState.QUEUED,
  RUNNING: TaskState.RUNNING,
  WAITING: TaskState.WAITING,
  COMPLETED: TaskState.COMPLETED,
  FAILED: TaskState.FAILED,
  CANCELLED: TaskState.CANCELLED,
};

const numberOfLane: Readonly<Record<LaneName, Lane>> = {
  interactive: Lane.INTERACTIVE,
  standard: Lane.STANDARD,
  batch: Lane.BATCH,
};

/** The name of a requested lane; unspecified is standard. */
export function laneNameFromProto(lane: Lane): LaneName {
  const named = Object.entries(numberOfLane).find(([, number]) => number === lane);
  // The record's keys are exactly the lane names.
  return (named?.[0] as LaneName | undefined) ?? "standard";
}

/** A task as its submitter sees it. */
export function taskFromRow(row: TaskHeadRow): Task {
  return create(TaskSchema, {
    taskId: row.task_id,
    state: stateNumber[row.state],
    agent: row.agent,
    threadId: textFromUtf8(row.thread_id),
    lane: numberOfLane[row.lane],
    prompt: textFromUtf8(row.prompt),
    answer: textFromUtf8(row.answer),
    ...(row.failure === null ? {} : { failure: fromBinary(FailureSchema, row.failure) }),
    usage: fromBinary(UsageSchema, row.usage),
    createTime: timeFromMs(row.created_at),
    updateTime: timeFromMs(row.updated_at),
    parentTaskId: row.parent_task_id ?? "",
    steps: row.steps,
  });
}

/** A timestamp of a column's milliseconds. */
export function timeFromMs(ms: number): Timestamp {
  return timestampFromMs(ms);
}
