import type { WatchTaskResponse } from "@warmpath/proto/gateway";
import { systemClock, WarmpathError } from "@warmpath/runtime/base";
import type { GatewayConnection } from "./connection.ts";

/** Reconnects in a row before giving up; a response in between starts the count again. */
const reconnectsMax = 20;
const reconnectDelayMs = 500;

/**
 * Hands every response of a task's watch to `onResponse`, once and in order, over lost connections:
 * each reconnect continues from the last cursor. Returns when the task has ended; throws what
 * cannot be waited out.
 */
export async function followTask(
  { agents, headers }: GatewayConnection,
  taskId: string,
  fromCursor: string,
  onResponse: (response: WatchTaskResponse) => void,
): Promise<void> {
  let cursor = fromCursor;
  let failures = 0;
  let hasBegun = false;
  for (;;) {
    try {
      for await (const response of agents.watchTask({ taskId, cursor }, { headers })) {
        failures = 0;
        hasBegun = true;
        if (response.cursor !== "") {
          cursor = response.cursor;
        }
        onResponse(response);
        if (isTerminal(response)) {
          return;
        }
      }
    } catch (error) {
      const known = WarmpathError.from(error);
      // Nothing was there from the start: whoever typed the command should hear it at once.
      if (known.code !== "unavailable" || !hasBegun || failures >= reconnectsMax) {
        throw known;
      }
    }
    // The stream ended or broke while the task goes on: go back to where it was.
    failures += 1;
    if (failures > reconnectsMax) {
      throw new WarmpathError("rejected-unavailable", `lost the gateway while watching ${taskId}`);
    }
    await systemClock.sleep(reconnectDelayMs);
  }
}

function isTerminal({ update }: WatchTaskResponse): boolean {
  if (update.case !== "event") {
    return false;
  }
  const kind = update.value.kind.case;
  return kind === "completed" || kind === "failed" || kind === "cancelled";
}
