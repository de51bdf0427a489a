/** Engines with written answers and recorded ones, and a whole proxy in front of them. */
export {
  chunk,
  done,
  type FakeEngine,
  helloStream,
  type SeenRequest,
  startFakeEngine,
  streamOf,
  usageChunk,
} from "./fake-engine.ts";
export { type Recording, readRecording, readTestdata } from "./recordings.ts";
export { otherTenantKey, startTestProxy, type TestProxy, testKey } from "./start-proxy.ts";
