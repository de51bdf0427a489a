/** Doubles and shared suites for tests of every package. */
export { busContract } from "../bus/bus.contract.ts";
export { freePort } from "./free-port.ts";
export { createManualClock, type ManualClock } from "./manual-clock.ts";
export { createTestSigner, testPrincipal } from "./test-signer.ts";
export { type CollectedSpan, startTraceCollector, type TraceCollector } from "./trace-collector.ts";
