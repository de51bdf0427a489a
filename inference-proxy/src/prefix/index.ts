/** What a prompt has in common with earlier ones. */
export { chainOf } from "./chain.ts";
export { createPrefixMemory, type PrefixMemory } from "./prefix-memory.ts";
export type { Chain, HashBytes, Recalled } from "./types.ts";
