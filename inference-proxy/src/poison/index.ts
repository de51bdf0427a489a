/** Requests that end the engines they are given to: found, refused, remembered. */
export {
  createPoisonMemory,
  type Guilt,
  type PoisonLimits,
  type PoisonMemory,
} from "./poison-memory.ts";
export { createQuarantine, type Quarantine, SuspectExclusion } from "./quarantine.ts";
