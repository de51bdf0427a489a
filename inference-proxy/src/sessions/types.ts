import type { PrefixKey } from "../cache-index/index.ts";

/** What the gate needs to know of a turn's prompt. */
export interface SessionTurn {
  /** Empty: a request without a session, which is never held and holds nothing. */
  readonly sessionId: string;
  /** The session that waits for this one, such as the parent of a sub-agent. */
  readonly parentId: string | undefined;
  /** Chained; only the first `chunks` are looked at. */
  readonly keys: ArrayLike<PrefixKey>;
  readonly chunks: number;
  /** Prompt tokens that one key stands for. */
  readonly chunkTokens: number;
}

/** How a session stands when one of its turns arrives. */
export interface Standing {
  /** Where it is admitted; undefined for a session that has to be admitted first. */
  readonly home: number | undefined;
  /** True when its return was likely enough that its blocks were counted on. */
  readonly isFirm: boolean;
  /** True when it was admitted and its replica was lost: it does not wait for room again. */
  readonly isDisplaced: boolean;
}

/** What a finished turn says about its replica's cache and about the session's next turn. */
export interface TurnEnd {
  /** Both as the engine counts; undefined where the turn failed or the engine did not say. */
  readonly cachedTokens: number | undefined;
  readonly promptTokens: number | undefined;
  /** What the session waits for now, such as a tool's name; see `stopRest`. */
  readonly rest: string;
}

/** The rest after a final answer: a person answers, or nobody does. */
export const stopRest = "stop";

/**
 * The rest after a turn that was served nothing: it is tried again at once, here or by its client,
 * which says nothing of how long people take.
 */
export const failedRest = "failed";

/** The rest of a session whose last turn another proxy had. */
export const elsewhereRest = "elsewhere";

/** The rest while tools run whose names were not seen. */
export const toolRest = "tools";

/** How sessions are admitted; all of it has defaults that no deployment needs to touch. */
export interface GateOptions {
  /** A return counts on memory when it is expected within so long. */
  readonly horizonMs: number;
  /** Sessions remembered; the one unused longest is forgotten first. */
  readonly sessionsMax: number;
  readonly share: ShareOptions;
}

/** How the share of a replica's KV cache that sessions may fill follows what is missed. */
export interface ShareOptions {
  readonly start: number;
  readonly least: number;
  readonly most: number;
  /** Missed share of expected tokens above which the share shrinks, and below which it grows. */
  readonly missHigh: number;
  readonly missLow: number;
  readonly shrink: number;
  readonly grow: number;
  /** Shortest time between two changes, and the tokens that have to be expected in it. */
  readonly windowMs: number;
  readonly expectedTokensMin: number;
}
