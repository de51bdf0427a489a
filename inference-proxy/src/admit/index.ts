/** Who may start, and who waits in which order. */
export { type Lane, lanes, type Place, type Waiting, type WaitLimits } from "./types.ts";
export { createWaitQueue, type WaitQueue } from "./wait-queue.ts";
