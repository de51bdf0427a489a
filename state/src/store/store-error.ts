import { messageOf, WarmpathError } from "@warmpath/runtime/base";

/**
 * When to come back after the database was not there, in ms: longer than a restart of a local one
 * takes to accept.
 */
const retryAfterMs = 1000;

/** SQLSTATE of an error of the server, or undefined for one of the connection. */
export function sqlStateOf(error: unknown): string | undefined {
  if (error instanceof Error && "code" in error && typeof error.code === "string") {
    // No class of SQLSTATE begins with E, and the system's EPIPE looks like one.
    return /^[0-9A-DF-Z][0-9A-Z]{4}$/.test(error.code) ? error.code : undefined;
  }
  return undefined;
}

/** True when the same transaction may succeed if run again: deadlock or serialization failure. */
export function isCollision(error: unknown): boolean {
  const state = sqlStateOf(error);
  return state === "40001" || state === "40P01";
}

/** True when the connection, not the statement, is at fault; it must not go back to the pool. */
export function isConnectionFault(error: unknown): boolean {
  const state = sqlStateOf(error);
  if (state === undefined) {
    return !(error instanceof WarmpathError);
  }
  // 08: connection exception. 57P01-57P03: the server is going away or not up. 53300: no more
  // connections.
  return state.startsWith("08") || /^57P0[1-3]$/.test(state) || state === "53300";
}

/**
 * What a failed statement means to callers. `isSent` false: no statement reached the server, so
 * nothing was done. Our own errors pass through.
 */
export function storeErrorFrom(error: unknown, isSent: boolean): WarmpathError {
  if (error instanceof WarmpathError) {
    return error;
  }
  if (isConnectionFault(error)) {
    return isSent
      ? new WarmpathError("failed-store", "the database connection broke", {
          cause: error,
          retryAfterMs,
        })
      : new WarmpathError("rejected-unavailable", "the database cannot be reached", {
          cause: error,
          retryAfterMs,
        });
  }
  const state = sqlStateOf(error);
  if (isCollision(error)) {
    return new WarmpathError("failed-aborted", "concurrent changes collided", { cause: error });
  }
  if (state === "57014") {
    return new WarmpathError("failed-store", "the database took too long", {
      cause: error,
      retryAfterMs,
    });
  }
  // Insufficient resources, disk full among them: it may pass.
  if (state?.startsWith("53") === true) {
    return new WarmpathError("failed-store", "the database has no room", {
      cause: error,
      retryAfterMs,
    });
  }
  return new WarmpathError(
    "failed-internal",
    `the database refused a statement: ${messageOf(error)}`,
    {
      cause: error,
    },
  );
}
