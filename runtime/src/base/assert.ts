import { WarmpathError } from "./error.ts";

/**
 * States what must be true here; a false one is a fault of this code and fails the current call,
 * not the process.
 */
export function assert(condition: unknown, sentence: string): asserts condition {
  if (!condition) {
    throw new WarmpathError("failed-internal", "internal error", {
      cause: new Error(`assertion failed: ${sentence}`),
    });
  }
}

/** Marks a branch that the types say cannot be reached. */
export function unreachable(value: never): never {
  throw new WarmpathError("failed-internal", "internal error", {
    cause: new Error(`unreachable value: ${JSON.stringify(value)}`),
  });
}
