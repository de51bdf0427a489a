/** A fast hash of bytes that continues from `seed`: 64 bits of it, in and out. */
export type HashBytes = (bytes: Uint8Array | string, seed: bigint) => bigint;

/** What placement knows of a prompt, without its text. */
export interface PromptIdentity {
  /**
   * Chained: key i stands for everything up to the end of chunk i, and for tenant, model, salt and
   * tools. Whole numbers below 2^53. The last key of a text prompt stands for its end, wherever in
   * a chunk that is, so that a prompt shorter than a chunk has a key too.
   */
  readonly keys: ArrayLike<number>;
  /**
   * Prompt tokens that one key stands for: the engine's block for token prompts, else an estimate
   * (chunk bytes divided by the model's learned bytes per token).
   */
  readonly chunkTokens: number;
  /** An estimate, or exact for token prompts. */
  readonly promptTokens: number;
  readonly isExact: boolean;
  /** Stands for all messages: a later prompt that has it goes on with this one. 0: none. */
  readonly endMark: number;
  readonly session: SessionLink;
}

/** How a request continues what its session sent before. */
export type SessionKind = "new" | "continuation" | "fork" | "compaction" | "rewrite";

/** The session that a prompt belongs to. */
export interface SessionLink {
  /**
   * Stable over the turns of one session; leads with the tenant, so that two tenants never share
   * one. Empty for requests that have no prompt.
   */
  readonly id: string;
  /** Who named it: a header, a field of the body, or the prompt itself. */
  readonly source: "header" | "body" | "prompt";
  readonly kind: SessionKind;
  /** Leading keys in common with the session's last prompt. */
  readonly commonChunks: number;
  /** The session it came from: the parent agent's, or the one it was forked from. */
  readonly parentId?: string;
}

/** Why a prompt no longer begins as its session's last one did. */
export type CacheBreakCause =
  | "system-changed"
  | "tools-changed"
  | "salt-changed"
  | "timestamp"
  | "members-reordered"
  | "thinking-stripped"
  | "message-edited"
  | "message-removed"
  | "compacted";

/** Where and why the prefix that an engine may still hold ended. */
export interface CacheBreak {
  readonly cause: CacheBreakCause;
  /** Index of the first message that differs; -1 for what stands before the messages. */
  readonly message: number;
  /** Of that message, as the request says; empty where it says none. */
  readonly role: string;
  /** Offset in the request's body of the first byte that differs, as exactly as is still known. */
  readonly byteOffset: number;
}
