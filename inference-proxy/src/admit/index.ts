/** Who may start, and who waits in which order. */
export { createFreeRates, type FreeRates } from "./free-rates.ts";
export { createPrograms, type Programs } from "./programs.ts";
export { rankOf } from "./ranked-line.ts";
export { serviceTokens } from "./service-tokens.ts";
export {
  type Claim,
  type Lane,
  lanes,
  type Place,
  type Service,
  type Started,
  type Waiting,
  type WaitLimits,
} from "./types.ts";
export { createWaitQueue, type WaitQueue } from "./wait-queue.ts";
