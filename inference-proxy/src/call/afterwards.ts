import type { Logger } from "@warmpath/runtime/base";
import { afterDeparture } from "@warmpath/runtime/http1";

/** Has a task done that nobody waits for: behind what this turn of the event loop still writes. */
export type Afterwards = (task: () => void) => void;

/** One task's fault is logged, and keeps no other from being done. */
export function createAfterwards(log: Logger): Afterwards {
  return (task) =>
    afterDeparture(() => {
      try {
        task();
      } catch (error) {
        log.error("what follows an answer failed", { error });
      }
    });
}
