import { WarmpathError } from "@warmpath/runtime/base";

const transitionNames = [
  "started",
  "model-answered",
  "tools-executing",
  "tools-finished",
  "message-received",
  "waiting",
  "completed",
  "failed",
  "cancelled",
] as const;

/** The transitions of a run, each one append. */
export type TransitionName = (typeof transitionNames)[number];

/**
 * A place between two recorded facts. `tool-called`: the effect happened and is not recorded yet.
 */
export type CrashPlace = `${"before" | "after"}-${TransitionName}` | "tool-called";

/**
 * Called at every place where a process could die between two facts. Does nothing in service; tests
 * make it throw or end the process there, to prove that the run survives.
 */
export type CrashPoint = (place: CrashPlace) => void | Promise<void>;

/** The crash point of a process in service. */
export const noCrash: CrashPoint = () => undefined;

/**
 * Ends this process the way `kill -9` does at the named place, or at its nth passage
 * (`after-tools-finished:2`). For tests over real processes.
 */
export function crashAt(spec: string): CrashPoint {
  const [place, nth = "1"] = spec.split(":");
  const places = transitionNames.flatMap((name) => [`before-${name}`, `after-${name}`]);
  if (![...places, "tool-called"].includes(place ?? "") || !/^[1-9]\d{0,5}$/.test(nth)) {
    const known = [...places, "tool-called"].join(", ");
    throw new WarmpathError(
      "rejected-config",
      `WARMPATH_CRASH_AT must be a place, or a place and a number (tool-called:2), not "${spec}"; places: ${known}`,
    );
  }
  let left = Number(nth);
  return (passed) => {
    if (passed !== place) return;
    left -= 1;
    if (left === 0) process.kill(process.pid, "SIGKILL");
  };
}
