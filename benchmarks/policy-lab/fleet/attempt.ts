import type { TurnPlan } from "../../workloads/types.ts";
import type { RoutedRequest } from "../types.ts";
import type { LiveSession } from "./live-session.ts";

/** One turn on its way: sent by the client, held or placed, sent again when its replica died. */
export interface LiveTurn {
  readonly session: LiveSession;
  readonly plan: TurnPlan;
  /** Index in the session. */
  readonly index: number;
  readonly sentMs: number;
  /** Shorter than the plan's answer where the client leaves before its end. */
  readonly outputTokens: number;
  firstTokenMs: number | undefined;
  /** Prompt tokens that a fleet-wide infinite cache would serve, as of the last placement. */
  boundTokens: number;
  heldMs: number;
}

/** One try of a turn at one replica. */
export interface Attempt {
  readonly turn: LiveTurn;
  readonly request: RoutedRequest;
  readonly replica: number;
  /** Engine time for the prompt tokens that were not cached there; 0 where nobody asks. */
  readonly prefillMs: number;
  /** As the engine told when it admitted the request. */
  cachedTokens: number | undefined;
  /** The replica died meanwhile: what it may still tell is not heard. */
  isLost: boolean;
}
