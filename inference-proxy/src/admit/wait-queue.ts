import { assert } from "@warmpath/runtime/base";
import { type Lane, lanes, type Place, type Waiting, type WaitLimits } from "./types.ts";

/** A bounded queue: first come first served within a lane, lanes in order, no lane starved. */
export interface WaitQueue<T> {
  readonly length: number;
  readonly bytes: number;
  /** Joins at the end of the lane; undefined when the queue is full. */
  join(waiting: Waiting<T>): Place | undefined;
  /** True when someone of the group waits: a newcomer must then queue up behind. */
  hasWaiting(group: string): boolean;
  /**
   * Offers the waiting to `start` in fair order for as long as it accepts them; runs now,
   * synchronously.
   */
  pump(start: (item: T) => boolean): void;
  /** Takes everybody out, for shutdown. */
  clear(): readonly T[];
}

interface Group<T> {
  /** A Set keeps the order of arrival and forgets anyone in constant time. */
  readonly waiting: Readonly<Record<Lane, Set<Waiting<T>>>>;
  readonly passedOver: Record<Lane, number>;
}

/** Makes the queue. Pure: whoever owns it brings deadlines and cancellation, by leaving. */
export function createWaitQueue<T>(limits: WaitLimits): WaitQueue<T> {
  const groups = new Map<string, Group<T>>();
  let length = 0;
  let bytes = 0;

  const remove = (waiting: Waiting<T>): boolean => {
    const group = groups.get(waiting.group);
    if (group?.waiting[waiting.lane].delete(waiting) !== true) {
      return false;
    }
    length -= 1;
    bytes -= waiting.bytes;
    assert(length >= 0 && bytes >= 0, "a queue never holds less than nothing");
    if (lanes.every((lane) => group.waiting[lane].size === 0)) {
      groups.delete(waiting.group);
    }
    return true;
  };

  const pumpGroup = (group: Group<T>, start: (item: T) => boolean): void => {
    for (let lane = nextLane(group, limits); lane !== undefined; lane = nextLane(group, limits)) {
      const [first] = group.waiting[lane];
      if (first === undefined || !start(first.item)) {
        return;
      }
      remove(first);
      countPassedOver(group, lane);
    }
  };

  return {
    get length() {
      return length;
    },
    get bytes() {
      return bytes;
    },
    join: (waiting) => {
      if (length >= limits.requestsMax || bytes + waiting.bytes > limits.bytesMax) {
        return undefined;
      }
      const group = groups.get(waiting.group) ?? createGroup<T>();
      groups.set(waiting.group, group);
      group.waiting[waiting.lane].add(waiting);
      length += 1;
      bytes += waiting.bytes;
      return {
        leave: () => remove(waiting),
        position: () => [...group.waiting[waiting.lane]].indexOf(waiting),
      };
    },
    hasWaiting: (group) => groups.has(group),
    pump: (start) => {
      for (const group of [...groups.values()]) {
        pumpGroup(group, start);
      }
    },
    clear: () => {
      const all = [...groups.values()].flatMap((group) =>
        lanes.flatMap((lane) => [...group.waiting[lane]]),
      );
      for (const waiting of all) {
        remove(waiting);
      }
      return all.map(({ item }) => item);
    },
  };
}

function createGroup<T>(): Group<T> {
  return {
    waiting: { interactive: new Set(), standard: new Set(), batch: new Set() },
    passedOver: { interactive: 0, standard: 0, batch: 0 },
  };
}

/**
 * The lane that was passed over too often, the lowest first; otherwise the best lane with anyone in
 * it.
 */
function nextLane<T>(group: Group<T>, limits: WaitLimits): Lane | undefined {
  for (let index = lanes.length - 1; index >= 0; index -= 1) {
    const lane = lanes[index];
    if (
      lane !== undefined &&
      group.waiting[lane].size > 0 &&
      group.passedOver[lane] >= limits.passedOverMax
    ) {
      return lane;
    }
  }
  return lanes.find((lane) => group.waiting[lane].size > 0);
}

function countPassedOver<T>(group: Group<T>, served: Lane): void {
  for (const lane of lanes) {
    const isPassed = lane !== served && group.waiting[lane].size > 0;
    group.passedOver[lane] = isPassed ? group.passedOver[lane] + 1 : 0;
  }
}
