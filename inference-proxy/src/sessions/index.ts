/** Which sessions may be under way, so that what they need stays cached. */
export { GapModel } from "./gap-model.ts";
export { type AdmittedTurn, gateDefaults, SessionGate } from "./session-gate.ts";
export {
  failedRest,
  type GateOptions,
  type SessionTurn,
  type ShareOptions,
  type Standing,
  stopRest,
  type TurnEnd,
  toolRest,
} from "./types.ts";
