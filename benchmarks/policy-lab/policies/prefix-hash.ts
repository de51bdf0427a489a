import type { Policy } from "../types.ts";
import { hashNumber, hashText, rendezvous } from "./shared/rendezvous.ts";

/**
 * Tokens of the prompt that are hashed. Published defaults range from 256 (SMG) to 1,024; more
 * separates sessions behind a shared system prompt better.
 */
const prefixTokens = 1024;

/**
 * Requests with the same beginning on one replica. A chain's key stands for all blocks before it,
 * so the key of the last block within the first 1,024 tokens is the hash of them all. A prompt
 * without one full block goes by its session instead: the definition does not say.
 */
export const prefixHash: Policy = {
  name: "prefix-hash",
  source:
    "SMG model_gateway/src/policies/prefix_hash.rs, without its load bound; rendezvous instead of a ring",
  about: "Rendezvous hash of the prompt's first 1,024 tokens: blind to load and to later turns.",
  start: () => ({
    place({ chain, promptTokens, sessionId }, replicas) {
      const blocks = Math.floor(Math.min(prefixTokens, promptTokens) / chain.blockTokens);
      const hash = blocks > 0 ? hashNumber(chain.key(blocks - 1)) : hashText(sessionId);
      return rendezvous(hash, replicas);
    },
  }),
};
