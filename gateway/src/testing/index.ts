/** What the tests of the gateway, and of what calls it, stand on. */
export { createFakeState, type FakeState, type FakeTask } from "./fake-state.ts";
export { answered, ended, readEvent, submitted } from "./world-events.ts";
