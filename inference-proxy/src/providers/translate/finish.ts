import type { Finish } from "./types.ts";

/**
 * An answer that calls tools ended for that, though Gemini never says so and others not always. A
 * client that waits for the word would otherwise not run them.
 */
export function finishOf(finish: Finish, hasCalls: boolean): Finish {
  return hasCalls && finish.kind === "stop" ? { kind: "tool-calls" } : finish;
}
