import type { BlockChain, EngineRequest } from "./types.ts";

/** Where a request is; "arriving" = in the API server, before the queue. */
export type Place = "arriving" | "waiting" | "running" | "ended";

/** A tick that never comes. */
export const never = Number.MAX_SAFE_INTEGER;

/**
 * A request in the engine. While it decodes, what changes with every step is not kept here but
 * follows from the number of the step: `known = step − origin`. That lets steps in which nothing
 * else happens pass without touching any request.
 */
export interface LiveRequest {
  readonly id: number;
  readonly chain: BlockChain;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly priority: number;
  /** Order of arrival. */
  readonly sequence: number;
  readonly readyMs: number;
  place: Place;
  /** The client left: freed when the next step is formed. */
  isAborted: boolean;
  hasFirstToken: boolean;
  /** Blocks held, in the order of the chain. */
  readonly blocks: number[];
  /** Blocks of the chain that are in the index, from the start. */
  storedBlocks: number;
  /** Still computing what is known; false = decoding. */
  isPrefilling: boolean;
  /** Prompt and answer tokens so far; while prefilling. */
  knownTokens: number;
  computedTokens: number;
  /** Tokens of this step; while prefilling. */
  chunkTokens: number;
  /** While decoding. */
  origin: number;
  /** The step that is next to need a block or to fill one; while decoding. */
  eventStep: number;
  /** The step that computes the last token of the answer; while decoding. */
  finishStep: number;
}

/** A request as it comes. */
export function liveRequest(
  request: EngineRequest,
  sequence: number,
  readyMs: number,
): LiveRequest {
  return {
    id: request.id,
    chain: request.chain,
    promptTokens: request.promptTokens,
    outputTokens: request.outputTokens,
    priority: request.priority ?? 0,
    sequence,
    readyMs,
    place: "arriving",
    isAborted: false,
    hasFirstToken: false,
    blocks: [],
    storedBlocks: 0,
    isPrefilling: true,
    knownTokens: request.promptTokens,
    computedTokens: 0,
    chunkTokens: 0,
    origin: 0,
    eventStep: never,
    finishStep: never,
  };
}

/** Prompt and answer tokens known when `step` is formed. */
export function knownTokensAt(request: LiveRequest, step: number): number {
  return request.isPrefilling ? request.knownTokens : step - request.origin;
}
