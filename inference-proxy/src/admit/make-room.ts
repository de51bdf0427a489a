import type { FairLane, Heaviest } from "./fair-lane.ts";
import { type Lane, lanes, type Unit, type Waiting, type WaitLimits } from "./types.ts";

/** A full queue, as far as making room is concerned. */
export interface Room<T> {
  readonly groups: readonly Readonly<Record<Lane, FairLane<Waiting<T>>>>[];
  readonly limits: WaitLimits;
  /** What there is too little of for the newcomer. */
  overfullIn(newcomer: Waiting<T>): Unit | undefined;
  add(waiting: Waiting<T>): void;
  remove(waiting: Waiting<T>): boolean;
}

/**
 * Part of the queue that better lanes leave to a worse one: a flood of interactive requests takes
 * no more of it, and cannot push out what waits there.
 */
const floorShare = 1 / 8;

/**
 * Takes out who has to leave so that the newcomer can wait; undefined, and nobody has left, where
 * it is the newcomer who is refused.
 */
export function makeRoom<T>(
  newcomer: Waiting<T>,
  room: Room<T>,
): readonly Waiting<T>[] | undefined {
  const { bytesMax, requestsMax } = room.limits;
  if (newcomer.bytes > bytesMax || requestsMax === 0) {
    return undefined;
  }
  const out: Waiting<T>[] = [];
  for (let unit = room.overfullIn(newcomer); unit !== undefined; unit = room.overfullIn(newcomer)) {
    const victim = victimFor(room, newcomer, unit);
    if (victim === undefined) {
      for (const each of out.toReversed()) {
        room.add(each);
      }
      return undefined;
    }
    room.remove(victim);
    out.push(victim);
  }
  return out;
}

/**
 * Whoever fills the queue must not keep others out of it: the tenant with most in it gives way to
 * one with less, worse lanes to better ones, down to a floor, and these to a lane that is below its
 * own. It is the last of its tenant that goes, who would have waited longest.
 */
function victimFor<T>(
  { groups, limits }: Room<T>,
  newcomer: Waiting<T>,
  unit: Unit,
): Waiting<T> | undefined {
  const floor = floorShare * (unit === "bytes" ? limits.bytesMax : limits.requestsMax);
  const asked = unit === "bytes" ? newcomer.bytes : 1;
  const ownAt = lanes.indexOf(newcomer.lane);
  const aboveFloor = (some: readonly Lane[]): Waiting<T> | undefined => {
    for (const lane of some.toReversed()) {
      const { sum, heaviest } = heldIn(groups, lane, unit);
      if (heaviest !== undefined && sum > floor) {
        return heaviest.last;
      }
    }
    return undefined;
  };
  const worse = aboveFloor(lanes.slice(ownAt + 1));
  if (worse !== undefined) {
    return worse;
  }
  const beside = heldIn(groups, newcomer.lane, unit);
  const own = beside.heldBy(newcomer.tenant);
  if (beside.heaviest !== undefined && beside.heaviest.waiting > own + asked) {
    return beside.heaviest.last;
  }
  return beside.sum + asked > floor ? undefined : aboveFloor(lanes.slice(0, ownAt));
}

function heldIn<T>(groups: Room<T>["groups"], lane: Lane, unit: Unit) {
  let sum = 0;
  let heaviest: Heaviest<Waiting<T>> | undefined;
  for (const { [lane]: line } of groups) {
    const here = line.heaviest(unit);
    sum += line.waiting(unit);
    if (here !== undefined && here.waiting > (heaviest?.waiting ?? 0)) {
      heaviest = here;
    }
  }
  /** Of the tenant, in the model where most of it waits. */
  const heldBy = (tenant: string): number =>
    Math.max(...groups.map(({ [lane]: line }) => line.waitingOf(tenant, unit)));
  return { sum, heaviest, heldBy };
}
