import type { ServingPath } from "../upstream/open.ts";
import type { Replica } from "../upstream/pool.ts";

/** What a request asks for with `x-warmpath-cache`, or the operator for all. */
export type CacheMode = "off" | "exact" | "semantic";

/** Which requests share one call while it is under way. */
export type SharingMode = "off" | "cached" | "deterministic";

/** A finished answer as it came. */
export interface StoredAnswer {
  readonly path: ServingPath;
  /** The events of a stream, its usage event included, or the one body of a whole answer. */
  readonly isStream: boolean;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly contentType: string;
  /** Who generated it. */
  readonly replica: Replica;
}

/** Bounds of what is kept, by the names that the settings have. */
export interface AnswerStoreLimits {
  readonly answerCacheTtlMs: number;
  /** All answers together; 0 keeps none. */
  readonly answerCacheBytesMax: number;
  /** One answer; a longer one is handed on and not kept. */
  readonly answerCacheAnswerBytesMax: number;
}

/** Bounds of what is shared, by the names that the settings have. */
export interface SharingLimits {
  readonly answerCacheAnswerBytesMax: number;
  /** Bytes of an unfinished answer that are held for those who share it. */
  readonly sharedBytesMax: number;
}

/** Bounds of comparing by meaning, by the names that the settings have. */
export interface MeaningLimits {
  readonly semanticEntriesMax: number;
  /** Least cosine of two questions that may share an answer. */
  readonly semanticSimilarityMin: number;
  /** Longest wait for a question's embedding. */
  readonly semanticWaitMsMax: number;
}
