/**
 * `@warmpath/state/log`: the task log as a library, linked by workers because appending is their
 * innermost loop.
 */

export type { HotPiece, HotStore, HotValue } from "../hot/hot-store.ts";
export { createLogMetrics } from "../metrics.ts";
export type { DispatchMessage, DispatchQueue } from "../queue/dispatch-queue.ts";
export { openStore, type Store, type StoreOptions } from "../store/store.ts";
export { createTaskLog, type TaskLogDeps } from "./create-log.ts";
export { type LogConfig, logConfigDefault } from "./log-config.ts";
export type { LogObserver } from "./log-observer.ts";
export type {
  Claim,
  ClaimedTask,
  Dispatch,
  EndedStateName,
  Input,
  LaneName,
  Lease,
  LiveText,
  NewChild,
  NewMessage,
  StateName,
  StoredEvent,
  TaskLog,
  TaskRef,
  Transition,
} from "./types.ts";
export { laneNames } from "./types.ts";
