/* Headers of the proxy's own, of answers and of requests. */

export const replicaHeader = "x-warmpath-replica";
export const attemptsHeader = "x-warmpath-attempts";
/** What a whole answer cost, in nano-dollars, and how many of its prompt tokens were cached. */
export const costHeader = "x-warmpath-cost-nanodollars";
export const cachedTokensHeader = "x-warmpath-cached-tokens";
/** Engine controls of the request that its key may not use, and which were not passed on. */
export const droppedHeader = "x-warmpath-dropped";
export const laneHeader = "x-warmpath-lane";
/** What the session has cost since this process started. */
export const sessionCostHeader = "x-warmpath-session-cost-nanodollars";
/** The agent on whose behalf a request is made; its cost is added up. */
export const agentHeader = "x-warmpath-agent";
/** The model that a table of routes chose, and why. */
export const modelHeader = "x-warmpath-model";
export const routeHeader = "x-warmpath-route";
/** A request that carries it with the value 1 is told what became of it in further headers. */
export const explainHeader = "x-warmpath-explain";
/** Where and why the prompt stopped beginning as its session's last one did, or `none`. */
export const cacheBreakHeader = "x-warmpath-cache-break";
/** The model that answers because none of the one that was asked for is healthy. */
export const fallbackHeader = "x-warmpath-model-fallback";
