import { constants } from "node:os";

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * From now on Ctrl-C and its like end this process by `process.exit`, so that what is to be tidied
 * up on "exit" is. A level with more to end has a handler of its own, which ends the process once
 * it is through; a second signal does not wait for it.
 */
export function endOnSignals(): void {
  for (const signal of signals) {
    process.on(signal, () => {
      if (process.listenerCount(signal) === 1) {
        process.exit(128 + constants.signals[signal]);
      }
    });
  }
}
