import { option } from "@warmpath/runtime/base";

/** How much is remembered of prompts, and for how long. */
export const promptOptions = {
  promptSecret: option.secret({
    env: "WARMPATH_PROXY_PROMPT_SECRET",
    default: undefined,
    doc: "Secret of the keys by which prompts are known; proxies that share bookings need the same one. Unset: made from the first of `WARMPATH_PRINCIPAL_KEYS`; without those each process makes its own.",
  }),
  promptMemoBytesMax: option.int({
    env: "WARMPATH_PROXY_PROMPT_MEMO_BYTES_MAX",
    default: 16_777_216,
    min: 0,
    unit: "bytes",
    doc: "Memory for what scans of prompts have found, so that a known beginning is only hashed.",
    why: "16 MiB remember some 300 MB of prompts: eight hundred sessions of 100,000 tokens",
  }),
  sessionsMax: option.int({
    env: "WARMPATH_PROXY_SESSIONS_MAX",
    default: 16_384,
    min: 1,
    doc: "Sessions remembered; beyond that a tenant that has many loses its oldest.",
    why: "more than the caches of a hundred engines hold; about 1 KB each, and what the next setting bounds",
  }),
  sessionMarksMax: option.int({
    env: "WARMPATH_PROXY_SESSION_MARKS_MAX",
    default: 1_048_576,
    min: 1,
    doc: "Ends of messages and keys of chunks by which sessions are found again, of all sessions together.",
    why: "64 for each session, at about 50 bytes",
  }),
  sessionBodyBytesMax: option.int({
    env: "WARMPATH_PROXY_SESSION_BODY_BYTES_MAX",
    default: 33_554_432,
    min: 0,
    unit: "bytes",
    doc: "Last bodies of sessions kept in memory, to tell what changed in a broken prefix; 0: none.",
    why: "32 MiB: without its body a break is still found, only less is known of its cause",
  }),
  sessionTtlMs: option.int({
    env: "WARMPATH_PROXY_SESSION_TTL_MS",
    default: 3_600_000,
    min: 1,
    unit: "ms",
    doc: "How long a session is remembered without a request.",
    why: "an hour: engines have evicted its prefix long before",
  }),
  blockTokens: option.int({
    env: "WARMPATH_PROXY_BLOCK_TOKENS",
    default: 16,
    min: 1,
    unit: "tokens",
    doc: "Tokens in one block of the engines' prefix caches, for prompts given as token ids, where no engine says it in its KV events.",
    why: "vLLM's default; only such prompts are looked at block by block",
  }),
} as const;
