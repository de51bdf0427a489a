import { type System, startSystem } from "./system.ts";

const slot = Symbol.for("warmpath.e2e.shared-system");

/**
 * One system for every test that leaves it as it found it: booting is the slow part. It lives on
 * `globalThis` because each test file has modules of its own, and dies with the test process.
 */
export function sharedSystem(): Promise<System> {
  // The slot is ours alone.
  const holder = globalThis as { [slot]?: Promise<System> };
  holder[slot] ??= startSystem().then((system) => {
    process.on("exit", () => {
      for (const pid of system.survivors()) {
        process.kill(pid, "SIGKILL");
      }
    });
    return system;
  });
  return holder[slot];
}
