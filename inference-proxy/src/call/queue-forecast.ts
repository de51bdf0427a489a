import type { Clock } from "@warmpath/runtime/base";
import { type Claim, createFreeRates, type WaitQueue } from "../admit/index.ts";
import type { QueuePlace, WaitingLine } from "./queue-view.ts";

/** Says who waits for what, and for how long about. */
export interface QueueForecast {
  /** A place of the group came free. */
  freed(group: string): void;
  /** One who did not wait took a place, though others wait for one. */
  overtook(group: string): void;
  /** Where somebody who joins now would stand. */
  placeFor(claim: Claim): QueuePlace;
  lines(): readonly WaitingLine[];
}

/** A longer wait than an hour is not worth telling apart from one. */
const estimateMsMax = 3_600_000;

/** Learns from the places that come free; reads the queue when it is asked. */
export function createQueueForecast(
  queue: Pick<WaitQueue<unknown>, "position" | "lines">,
  clock: Clock,
): QueueForecast {
  const rates = createFreeRates();
  const perSecondOf = (group: string) => rates.perSecond(group, clock.monotonicMs());

  const placeFor = (claim: Claim): QueuePlace => {
    const position = queue.position(claim);
    const perSecond = perSecondOf(claim.group);
    const estimateMs =
      perSecond === undefined ? undefined : Math.min(estimateMsMax, (position * 1000) / perSecond);
    return { position, estimateMs };
  };

  return {
    freed: (group) => rates.freed(group, clock.monotonicMs()),
    overtook: (group) => rates.overtook(group, clock.monotonicMs()),
    placeFor,
    lines: () =>
      queue.lines().map(({ group, lane, waiting }) => ({
        model: group,
        lane,
        waiting,
        placesPerSecond: perSecondOf(group) ?? 0,
        // A tenant that nobody is called: it stands behind everybody's first.
        estimateMs: placeFor({ group, lane, tenant: "" }).estimateMs,
      })),
  };
}
