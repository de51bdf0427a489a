/** Which model serves a request: the operator's table, and what has room. */
export { type Followed, followRoute } from "./follow.ts";
export { type RouteMetrics, routeMetrics } from "./metrics.ts";
export { parseRouteRules } from "./parse-rules.ts";
export { anyRequestOf, roomOf } from "./room.ts";
export { createRouter, type Router } from "./router.ts";
export { lastText, traitsOf } from "./traits.ts";
export type { RequestTraits, Room, Route, RouteStep } from "./types.ts";
