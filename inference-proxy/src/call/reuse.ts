import type { OpenCall } from "./end-call.ts";
import type { CallFault, CallMeans } from "./open-call.ts";
import type { CallRequest } from "./types.ts";

/** How the answer of one call may be reused; a call without it is never reused. */
export interface ReuseAsk {
  /** Names the tenant, the model, and all of the request that its answer depends on. */
  readonly key: string;
  /** A stored answer may be handed out, and this one be stored. */
  readonly stores: boolean;
  /** May be one with an equal call that is under way. */
  readonly shares: boolean;
  /** What to compare by meaning when nothing equal is stored; undefined: nothing. */
  readonly question: Question | undefined;
}

/** The part of a request that may differ in its words. */
export interface Question {
  /** Names everything but the question: only answers to equal surroundings are compared. */
  readonly group: string;
  readonly text: string;
}

/** Where an answer comes from; it says so in the response's head. */
export type Reused =
  | { readonly from: "upstream" }
  | { readonly from: "flight" }
  | { readonly from: "store"; readonly ageMs: number; readonly similarity: number | undefined };

/** Answers calls with what was, or is being, generated for an equal one. */
export interface AnswerReuse {
  /** Opens the call; `openFresh` asks an upstream. */
  open(
    means: CallMeans,
    request: CallRequest,
    ask: ReuseAsk,
    openFresh: OpenFresh,
  ): Promise<OpenCall | CallFault>;
}

/** Opens a call at an upstream. */
export type OpenFresh = (request: CallRequest) => Promise<OpenCall | CallFault>;
