import type { SessionPlan } from "../../workloads/types.ts";
import { type Nominal, neighbours } from "./nominal.ts";

/** One stretch of a session: the gap before a turn, and the turn with what its join waits for. */
export interface Stretch {
  readonly gapMs: number;
  readonly turnMs: number;
}

/** The session's time on a lightly loaded fleet with a full cache, stretch by stretch. */
export function stretchesOf(session: SessionPlan, nominal: Nominal): readonly Stretch[] {
  let cachedTokens = 0;
  return session.turns.map(({ promptTokens, outputTokens, gapBeforeMs, children = [] }) => {
    const cached = Math.min(cachedTokens, promptTokens);
    cachedTokens = promptTokens + outputTokens;
    const turnMs = nominal.turnMs({ promptTokens, outputTokens, cachedTokens: cached }, neighbours);
    const childrenMs = children.map((child) => durationOf(stretchesOf(child, nominal)));
    return { gapMs: gapBeforeMs, turnMs: turnMs + Math.max(0, ...childrenMs) };
  });
}

/** All stretches one after another. */
export function durationOf(stretches: readonly Stretch[]): number {
  return stretches.reduce((sum, { gapMs, turnMs }) => sum + gapMs + turnMs, 0);
}
