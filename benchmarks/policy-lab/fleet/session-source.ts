import type { Random } from "@warmpath/runtime/base";
import type { SessionPlan, Workload } from "../../workloads/types.ts";
import type { Nominal } from "./nominal.ts";
import { blockTokens } from "./replica.ts";
import type { SessionStart } from "./session-driver.ts";
import { durationOf, stretchesOf } from "./stretches.ts";

/** The sessions of one run: some are under way when it begins, the others come one by one. */
export interface SessionSource {
  readonly underWay: readonly SessionStart[];
  /** The next session; undefined when the workload has no more. */
  next(): SessionPlan | undefined;
  /** Sessions passed over because a turn of theirs fits no replica's KV cache. */
  readonly leftOut: number;
}

interface SourceOptions {
  readonly workload: Workload;
  readonly seed: number;
  /** How many are under way at the start. */
  readonly underWay: number;
  /** False: those under way begin at their first turn and none is passed over; for traces. */
  readonly startsInside: boolean;
  /** KV blocks of the smallest replica. */
  readonly blocks: number;
  readonly nominal: Nominal;
  readonly random: Random;
}

/** Sessions drawn for each one that is under way at the start. */
const drawnPerStart = 2;

/**
 * Reads the workload in order. Whoever looks at a running system meets long sessions more often and
 * anywhere in their life: those under way are drawn by weight of their duration, and a moment of
 * each is drawn evenly, so that a run need not wait for its first sessions to end.
 */
export function createSessionSource(options: SourceOptions): SessionSource {
  const sessions = options.workload.sessions(options.seed)[Symbol.iterator]();
  let leftOut = 0;
  const next = (): SessionPlan | undefined => {
    for (;;) {
      const { done, value } = sessions.next();
      if (done === true) return undefined;
      if (fits(value, options.blocks)) return value;
      leftOut += 1;
    }
  };
  return {
    underWay: options.startsInside ? drawUnderWay(options, next) : takeFirst(options, next),
    next,
    get leftOut() {
      return leftOut;
    },
  };
}

function takeFirst({ underWay }: SourceOptions, next: () => SessionPlan | undefined) {
  const starts: SessionStart[] = [];
  while (starts.length < underWay) {
    const plan = next();
    if (plan === undefined) break;
    starts.push({ plan, turn: 0, gapMs: 0 });
  }
  return starts;
}

function drawUnderWay(
  { underWay, random, nominal }: SourceOptions,
  next: () => SessionPlan | undefined,
): readonly SessionStart[] {
  const drawn: { readonly key: number; readonly start: SessionStart }[] = [];
  for (let index = 0; index < underWay * drawnPerStart; index += 1) {
    const plan = next();
    if (plan === undefined) break;
    const { start, durationMs } = momentOf(plan, nominal, random);
    // Efraimidis and Spirakis: the smallest −ln(u) ÷ weight are a weighted sample.
    drawn.push({ key: -Math.log(1 - random.next()) / durationMs, start });
  }
  return drawn
    .sort((a, b) => a.key - b.key)
    .slice(0, underWay)
    .map(({ start }) => start);
}

/** A moment of the session's life, drawn evenly. */
function momentOf(plan: SessionPlan, nominal: Nominal, random: Random) {
  const stretches = stretchesOf(plan, nominal);
  const durationMs = durationOf(stretches);
  let restMs = random.next() * durationMs;
  for (const [turn, { gapMs, turnMs }] of stretches.entries()) {
    if (restMs < gapMs + turnMs) {
      return { start: { plan, turn, gapMs: Math.max(0, gapMs - restMs) }, durationMs };
    }
    restMs -= gapMs + turnMs;
  }
  return { start: { plan, turn: 0, gapMs: 0 }, durationMs };
}

function fits({ turns }: SessionPlan, blocks: number): boolean {
  return turns.every(
    ({ promptTokens, outputTokens, children = [] }) =>
      Math.ceil((promptTokens + outputTokens) / blockTokens) <= blocks &&
      children.every((child) => fits(child, blocks)),
  );
}
