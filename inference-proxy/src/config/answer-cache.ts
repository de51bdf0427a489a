import { option } from "@warmpath/runtime/base";

/** Settings of the answer cache and of calls that several share. */
export const answerCacheOptions = {
  answerCache: option.choice({
    env: "WARMPATH_PROXY_ANSWER_CACHE",
    choices: ["off", "exact", "semantic"],
    default: "off",
    doc: "Reuse of stored answers for requests without an `x-warmpath-cache` header.",
    why: "an agent that asks again mostly wants another answer",
  }),
  answerCacheTtlMs: option.int({
    env: "WARMPATH_PROXY_ANSWER_CACHE_TTL_MS",
    default: 300_000,
    min: 1,
    unit: "ms",
    doc: "How long a stored answer is handed out.",
    why: "a batch job's repetitions lie minutes apart; older answers may rest on older facts",
  }),
  answerCacheBytesMax: option.int({
    env: "WARMPATH_PROXY_ANSWER_CACHE_BYTES_MAX",
    default: 67_108_864,
    min: 0,
    unit: "bytes",
    doc: "All stored answers together; the one unused longest goes first. 0 stores none.",
    why: "64 MiB: tens of thousands of short answers, or a few hundred long streams",
  }),
  answerCacheAnswerBytesMax: option.int({
    env: "WARMPATH_PROXY_ANSWER_CACHE_ANSWER_BYTES_MAX",
    default: 1_048_576,
    min: 1024,
    unit: "bytes",
    doc: "Longest answer that is stored.",
    why: "a stream takes about 250 bytes a token: 4,000 tokens",
  }),
  semanticSimilarityMin: option.number({
    env: "WARMPATH_PROXY_SEMANTIC_SIMILARITY_MIN",
    default: 0.97,
    min: 0.5,
    max: 1,
    doc: "Least cosine similarity of two questions that may share an answer.",
    why: "other caches take 0.8, where common models put questions that differ in one name",
  }),
  semanticEntriesMax: option.int({
    env: "WARMPATH_PROXY_SEMANTIC_ENTRIES_MAX",
    default: 4096,
    min: 1,
    doc: "Questions whose meaning is remembered.",
    why: "16 MiB at 1,024 components each",
  }),
  semanticWaitMsMax: option.int({
    env: "WARMPATH_PROXY_SEMANTIC_WAIT_MS_MAX",
    default: 1000,
    min: 1,
    unit: "ms",
    doc: "Longest wait for a question's embedding before its answer is generated without.",
    why: "an embedding takes tens of milliseconds; a busy model must not cost more than it saves",
  }),
  singleFlight: option.choice({
    env: "WARMPATH_PROXY_SINGLE_FLIGHT",
    choices: ["off", "cached", "deterministic"],
    default: "deterministic",
    doc: "Which equal requests share one call while it is under way: none, those that may use the cache, or also all whose answer is repeatable (temperature 0, a seed, embeddings).",
    why: "a repeatable answer is worth computing once; samples that are to differ are left alone",
  }),
  sharedBytesMax: option.int({
    env: "WARMPATH_PROXY_SHARED_BYTES_MAX",
    default: 262_144,
    min: 1024,
    unit: "bytes",
    doc: "Bytes of an unfinished answer that are held for those who share it; who falls further behind is cut off. For those who may still come 32 KiB are held; who comes later asks anew.",
    why: "256 KiB: about a thousand tokens of a stream",
  }),
} as const;
