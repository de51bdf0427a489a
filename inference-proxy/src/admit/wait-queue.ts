import { assert } from "@warmpath/runtime/base";
import { createFairLane, type FairLane } from "./fair-lane.ts";
import { makeRoom } from "./make-room.ts";
import {
  type Claim,
  type Lane,
  lanes,
  type Place,
  type Service,
  type Started,
  type Unit,
  type Waiting,
  type WaitLimits,
} from "./types.ts";

/** A bounded queue: lanes in order, no lane starved, each lane shared evenly between tenants. */
export interface WaitQueue<T> {
  readonly length: number;
  readonly bytes: number;
  /**
   * Joins the line of its lane; undefined when the queue is full and nobody has to make room. Who
   * has to is told by `onPushedOut`, before this returns.
   */
  join(waiting: Waiting<T>): Place | undefined;
  /**
   * Where one who joins now would stand, 1 being next: in its own lane as tenants take turns, and
   * behind better lanes for as long as its own may be passed over. A guess, since others may still
   * come in better lanes.
   */
  position(claim: Claim): number;
  /** How many wait, by group and lane; lines in which nobody waits are left out. */
  lines(): readonly { readonly group: string; readonly lane: Lane; readonly waiting: number }[];
  /** True when someone of the group waits: a newcomer must then queue up behind. */
  hasWaiting(group: string): boolean;
  /**
   * Charges the tenant for a request that starts now, whether it waited or not. `serviceTokens` is
   * a guess, made good when the service is settled.
   */
  serve(claim: Claim, serviceTokens: number): Service;
  /**
   * Offers the waiting to `start` in fair order for as long as it accepts them; one that is passed
   * keeps its own tenant waiting in its lane, and nobody else. Behind one without room those of its
   * lane are offered who are first of their tenants. Runs now, synchronously.
   */
  pump(start: (item: T) => Started): void;
  /** Takes everybody out, for shutdown. */
  clear(): readonly T[];
}

interface Group<T> {
  readonly lines: Readonly<Record<Lane, FairLane<Waiting<T>>>>;
  readonly passedOver: Record<Lane, number>;
}

/** So many without room are looked behind at once: each look costs as much as a placement. */
const tooLargeMax = 16;

/**
 * Makes the queue. Pure: whoever owns it brings deadlines and cancellation, by leaving.
 * `onPushedOut` gets those that a full queue had to let go for others.
 */
export function createWaitQueue<T>(
  limits: WaitLimits,
  onPushedOut: (item: T) => void = () => undefined,
): WaitQueue<T> {
  /** Groups are the models served, so they are few and stay. */
  const groups = new Map<string, Group<T>>();
  let length = 0;
  let bytes = 0;

  const groupOf = (name: string): Group<T> => {
    const group = groups.get(name) ?? createGroup<T>();
    groups.set(name, group);
    return group;
  };

  const remove = (waiting: Waiting<T>): boolean => {
    if (groups.get(waiting.group)?.lines[waiting.lane].leave(waiting) !== true) {
      return false;
    }
    length -= 1;
    bytes -= waiting.bytes;
    assert(length >= 0 && bytes >= 0, "a queue never holds less than nothing");
    return true;
  };

  const add = (waiting: Waiting<T>): void => {
    groupOf(waiting.group).lines[waiting.lane].join(waiting);
    length += 1;
    bytes += waiting.bytes;
  };

  const overfullIn = (newcomer: Waiting<T>): Unit | undefined =>
    length >= limits.requestsMax
      ? "requests"
      : bytes + newcomer.bytes > limits.bytesMax
        ? "bytes"
        : undefined;

  const hasRoom = (newcomer: Waiting<T>): boolean => {
    if (overfullIn(newcomer) === undefined) {
      return true;
    }
    const lines = [...groups.values()].map((group) => group.lines);
    const out = makeRoom(newcomer, { groups: lines, limits, overfullIn, add, remove });
    for (const { item } of out ?? []) {
      onPushedOut(item);
    }
    return out !== undefined;
  };

  return {
    get length() {
      return length;
    },
    get bytes() {
      return bytes;
    },
    join: (waiting) => {
      if (!hasRoom(waiting)) {
        return undefined;
      }
      add(waiting);
      return { leave: () => remove(waiting) };
    },
    position: (claim) => {
      const group = groups.get(claim.group);
      return group === undefined ? 1 : positionIn(group, claim, limits);
    },
    lines: () =>
      [...groups].flatMap(([group, { lines }]) =>
        lanes
          .map((lane) => ({ group, lane, waiting: lines[lane].size }))
          .filter(({ waiting }) => waiting > 0),
      ),
    hasWaiting: (name) => {
      const group = groups.get(name);
      return group !== undefined && lanes.some((lane) => group.lines[lane].size > 0);
    },
    serve: ({ group, lane, tenant }, serviceTokens) =>
      groupOf(group).lines[lane].serve(tenant, serviceTokens),
    pump: (start) => {
      for (const group of groups.values()) {
        pumpGroup(group, { limits, start, remove });
      }
    },
    clear: () => {
      const all = [...groups.values()].flatMap(({ lines }) =>
        lanes.flatMap((lane) => lines[lane].everyone()),
      );
      for (const waiting of all) {
        remove(waiting);
      }
      return all.map(({ item }) => item);
    },
  };
}

function pumpGroup<T>(
  group: Group<T>,
  means: {
    readonly limits: WaitLimits;
    readonly start: (item: T) => Started;
    readonly remove: (waiting: Waiting<T>) => boolean;
  },
): void {
  const { limits, start, remove } = means;
  let passed: Set<Waiting<T>> | undefined;
  /** Of the first that found no room: better lanes were asked before it, worse ones are not. */
  let tooLargeIn: Lane | undefined;
  let tooLarge = 0;
  for (let next = nextOf(group, limits); next !== undefined; ) {
    if (tooLargeIn !== undefined && next.lane !== tooLargeIn) {
      return;
    }
    const started = start(next.item);
    if (started === "no-room") {
      tooLargeIn = next.lane;
      tooLarge += 1;
    }
    if (started === false || tooLarge > tooLargeMax) {
      return;
    }
    if (started === true) {
      remove(next);
      countPassedOver(group, next.lane);
    } else {
      passed ??= new Set();
      passed.add(next);
    }
    next = nextOf(group, limits, passed);
  }
}

function positionIn<T>({ lines }: Group<T>, claim: Claim, { passedOverMax }: WaitLimits): number {
  const better = lanes.slice(0, lanes.indexOf(claim.lane));
  const place = lines[claim.lane].ahead(claim.tenant) + 1;
  const ahead = better.reduce((sum, each) => sum + lines[each].size, 0);
  return Math.min(ahead, place * passedOverMax) + place;
}

function createGroup<T>(): Group<T> {
  return {
    lines: {
      interactive: createFairLane(),
      standard: createFairLane(),
      batch: createFairLane(),
    },
    passedOver: { interactive: 0, standard: 0, batch: 0 },
  };
}

/**
 * The first of the lane that was passed over too often, the lowest first; otherwise of the best
 * lane in which anyone may go.
 */
function nextOf<T>(
  { lines, passedOver }: Group<T>,
  limits: WaitLimits,
  passed?: ReadonlySet<Waiting<T>>,
): Waiting<T> | undefined {
  for (let index = lanes.length - 1; index >= 0; index -= 1) {
    const lane = lanes[index];
    if (lane !== undefined && lines[lane].size > 0 && passedOver[lane] >= limits.passedOverMax) {
      const first = lines[lane].next(passed);
      if (first !== undefined) {
        return first;
      }
    }
  }
  for (const lane of lanes) {
    const first = lines[lane].size > 0 ? lines[lane].next(passed) : undefined;
    if (first !== undefined) {
      return first;
    }
  }
  return undefined;
}

function countPassedOver<T>(group: Group<T>, served: Lane): void {
  for (const lane of lanes) {
    const isPassed = lane !== served && group.lines[lane].size > 0;
    group.passedOver[lane] = isPassed ? group.passedOver[lane] + 1 : 0;
  }
}
