/** The outside door of Warmpath: authenticates, limits, validates, accepts, and streams back. */
export { type GatewayConfig, gatewayOptions } from "./config.ts";
export { type Address, type Gateway, type GatewayDeps, startGateway } from "./main.ts";
export { createGatewayMetrics } from "./metrics.ts";
