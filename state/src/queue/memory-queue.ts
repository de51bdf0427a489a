import { type Clock, WarmpathError } from "@warmpath/runtime/base";
import { type Dispatch, type LaneName, laneNames } from "../log/types.ts";
import type { DispatchMessage, DispatchQueue } from "./dispatch-queue.ts";
import { createPullers } from "./pullers.ts";

/** Messages kept at once; beyond, publishing is refused and the outbox keeps them for later. */
const messagesMaxDefault = 100_000;

/**
 * The dispatch queue inside the process. A task is in a lane once at most: that is all that a claim
 * needs.
 */
export function createMemoryQueue(clock: Clock, messagesMax = messagesMaxDefault): DispatchQueue {
  const lanes: Record<LaneName, Map<string, DispatchMessage>> = {
    interactive: new Map(),
    standard: new Map(),
    batch: new Map(),
  };
  const unacked: Record<LaneName, number> = { interactive: 0, standard: 0, batch: 0 };
  const pullers = createPullers();
  const closed = new AbortController();

  const put = (message: DispatchMessage) => {
    if (!pullers.give(message.lane, () => dispatchOf(message))) {
      lanes[message.lane].set(`${message.ref.tenant}/${message.ref.taskId}`, message);
    }
  };
  const putLater = async (message: DispatchMessage, delayMs: number) => {
    try {
      await clock.sleep(delayMs, closed.signal);
      put(message);
    } catch {
      // Closed: the record brings the task back in the next process.
    }
  };
  const dispatchOf = (message: DispatchMessage): Dispatch => {
    unacked[message.lane]++;
    let isOpen = true;
    const settle = () => {
      const wasOpen = isOpen;
      isOpen = false;
      unacked[message.lane] -= wasOpen ? 1 : 0;
      return wasOpen;
    };
    return {
      ref: message.ref,
      lane: message.lane,
      ack: () => void settle(),
      nak: (delayMs) => void (settle() && putLater(message, delayMs)),
    };
  };
  const depthOf = (lane: LaneName) => lanes[lane].size + unacked[lane];
  return {
    async publish(messages) {
      const size = laneNames.reduce((sum, lane) => sum + lanes[lane].size, 0);
      if (size + messages.length > messagesMax) {
        throw new WarmpathError("rejected-queue-full", "the dispatch queue in memory is full", {
          retryAfterMs: 1000,
        });
      }
      messages.forEach(put);
    },
    async pull(wanted, signal) {
      signal.throwIfAborted();
      for (const lane of wanted) {
        const first = lanes[lane].entries().next();
        if (first.done !== true) {
          lanes[lane].delete(first.value[0]);
          return dispatchOf(first.value[1]);
        }
      }
      return await pullers.wait(wanted, signal);
    },
    async depth() {
      return {
        interactive: depthOf("interactive"),
        standard: depthOf("standard"),
        batch: depthOf("batch"),
      };
    },
    ready: async () => undefined,
    async close() {
      closed.abort();
      for (const lane of laneNames) {
        lanes[lane].clear();
      }
    },
  };
}
