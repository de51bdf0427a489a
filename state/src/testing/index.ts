/**
 * `@warmpath/state/testing`: stores and doubles for tests. The doubles pass the contract suites of
 * their ports.
 */
export { createMemoryHot } from "../hot/memory-hot.ts";
export { createMemoryQueue } from "../queue/memory-queue.ts";
export { type Forwarder, startForwarder } from "./forwarder.ts";
export { openMsMax, openTestStore, type TestStore, testStoreKinds } from "./test-store.ts";
