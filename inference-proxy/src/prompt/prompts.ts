import { findCacheBreak } from "./cache-break.ts";
import { createHeardEnds } from "./heard-ends.ts";
import { chunkBytes, createHistoryReader, type History } from "./history.ts";
import { createHistoryMemo } from "./history-memo.ts";
import { type Found, linkSession, type PromptTrace } from "./link-session.ts";
import { createNameKeys } from "./name-keys.ts";
import { scanBody } from "./scan-body.ts";
import {
  commonLength,
  createSessionStore,
  noMessages,
  type SessionLimits,
} from "./session-store.ts";
import { readTokenIds } from "./token-ids.ts";
import { type PromptOwner, type PromptScan, tracePrompt } from "./trace-prompt.ts";
import type { CacheBreak, HashBytes, PromptIdentity } from "./types.ts";

/** A prompt's identity, and what it takes to remember it. */
export interface ReadPrompt extends PromptIdentity {
  /** Why the prompt does not begin as its session's last one did; undefined: it does. */
  readonly cacheBreak: CacheBreak | undefined;
  /** Who served the prompt that this one has its beginning from; empty: nobody is known. */
  readonly home: string;
  /** The session as the client names it; empty where it does not. */
  readonly statedId: string;
  /** Messages that both have from the start. */
  readonly commonMessages: number;
  /** Undefined where there is nothing to remember. */
  readonly found: Found | undefined;
  readonly trace: PromptTrace | undefined;
}

/** What prompts have in common with earlier ones. Pure but for what it remembers. */
export interface Prompts {
  /**
   * Finds the members of a body, and the member that holds its prompt (empty: none does). Throws
   * `rejected-invalid`.
   */
  scan(bytes: Uint8Array<ArrayBuffer>, tenant: string, member: PromptMember): PromptScan;
  identify(scan: PromptScan, owner: PromptOwner): ReadPrompt;
  /** Notes that the replica has begun to answer this prompt. */
  served(prompt: ReadPrompt, replica: string): void;
  /** Notes that another proxy served a prompt of the session which ended there. */
  hear(endMark: number, sessionId: string): void;
}

/** What {@link createPrompts} needs. */
export interface PromptsOptions {
  readonly hash: HashBytes;
  /** Secrets; see `createHistoryReader`. Below 2^63. */
  readonly memoSeed: bigint;
  readonly keySeed: bigint;
  readonly nowMs: () => number;
  /** Tokens that so many bytes of a request probably have. */
  readonly tokensOf: (model: string, bytes: number) => number;
  /** Tokens of one block of the engines' prefix caches, as far as is known by now. */
  readonly blockTokensOf: () => number;
  readonly memoBytesMax: number;
  readonly sessions: SessionLimits;
}

/** The member that holds the part of a prompt that grows, by the names of the APIs. */
export type PromptMember = "messages" | "prompt" | "input" | "";

/** Last messages that a prompt is known by when something before them has changed. */
const recentMax = 4;
/** A request without a prompt that could be cached, as embeddings are. */
export const noPrompt: ReadPrompt = {
  keys: [],
  chunkTokens: 1,
  promptTokens: 0,
  isExact: false,
  endMark: 0,
  session: { id: "", source: "prompt", kind: "new", commonChunks: 0 },
  cacheBreak: undefined,
  home: "",
  statedId: "",
  commonMessages: 0,
  found: undefined,
  trace: undefined,
};

/** Joins scanner, keys and sessions. */
export function createPrompts(options: PromptsOptions): Prompts {
  const { hash, tokensOf } = options;
  const names = createNameKeys(hash);
  const memo = createHistoryMemo({ bytesMax: options.memoBytesMax });
  const reader = createHistoryReader({ ...options, memo });
  const store = createSessionStore(options.sessions, options.nowMs);
  const heard = createHeardEnds(options.sessions.sessionsMax);

  return {
    scan: (bytes, tenant, member) => {
      let history: History | undefined;
      let tokens: Uint32Array | undefined;
      const scan = scanBody(bytes, (name, valueAt) => {
        if (member === "" || name !== member) return undefined;
        const prompt = readTokenIds(bytes, valueAt);
        tokens = prompt?.ids;
        history = prompt === undefined ? reader.read(bytes, valueAt, tenant) : undefined;
        return prompt?.valueEnd ?? history?.valueEnd;
      });
      return { ...scan, tenant, history, tokens };
    },
    identify: (scan, owner) => {
      const { history, tokens } = scan;
      if (history === undefined && tokens === undefined) return noPrompt;
      const blockTokens = options.blockTokensOf();
      const trace = tracePrompt(scan, owner, { hash, names, blockTokens });
      const found = linkSession(store, heard, trace);
      const isExact = tokens !== undefined;
      return {
        keys: trace.keys,
        chunkTokens: isExact ? blockTokens : tokensOf(owner.model, chunkBytes),
        promptTokens: isExact ? tokens.length : tokensOf(owner.model, scan.bytes.length),
        isExact,
        endMark: endMarkOf(trace),
        session: found.link,
        cacheBreak: findCacheBreak(scan, trace, found),
        home: found.origin?.replica ?? "",
        statedId: trace.stated?.id ?? "",
        commonMessages:
          found.origin === undefined ? 0 : commonLength(found.origin.marks, trace.marks),
        found,
        trace,
      };
    },
    served: ({ found, trace }, replica) => {
      if (found === undefined || trace === undefined) return;
      const { tenant, scope, marks, keys, heads, history } = trace;
      const { id, parentId } = found.link;
      const known = { tenant, id, parentId, scope, usedAtMs: 0 };
      const recent = trace.recent(recentMax, found.strand);
      const { from, starts, ends, length } = history;
      const text = ends.length === 0 ? undefined : { from, starts, ends, body: kept(trace.bytes) };
      const state = { marks, keys, heads, length, recent, text, replica };
      store.put(found.strand ?? { ...known, ...state, ...blank }, state);
    },
    hear: heard.hear,
  };
}

/**
 * The mark at which a next prompt would go on. The last one of a prompt without messages is
 * wherever in a chunk it ended, which no later one has.
 */
function endMarkOf({ marks, history }: PromptTrace): number {
  return marks.at(history.ends.length === 0 && marks.length > 1 ? -2 : -1) ?? 0;
}

/** A strand before its first prompt: nothing of it is in any index. */
const blank = { marks: new Float64Array(), recent: noMessages, text: undefined };

/**
 * The body, to keep. A view of a much larger buffer is copied: it would keep all of that alive.
 */
function kept(bytes: Uint8Array): Uint8Array {
  return bytes.buffer.byteLength > 2 * bytes.length + 4096 ? bytes.slice() : bytes;
}
