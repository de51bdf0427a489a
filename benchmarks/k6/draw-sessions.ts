import { type Workload, workloadOf } from "../workloads/index.ts";
import type { SessionPlan } from "../workloads/types.ts";
import type { PlannedSession, PlannedTurn } from "./lib/plan.ts";
import type { SessionSource } from "./scenarios.ts";

/** Draws sessions for k6, without their subagents: a k6 session is one caller. */
export function drawSessions(source: SessionSource, seed: number): readonly PlannedSession[] {
  const workload: Workload = workloadOf(source.workload);
  const drawn: PlannedSession[] = [];
  const tenants = new Set<string>();
  for (const session of workload.sessions(seed)) {
    if (drawn.length === source.count) break;
    if (tenants.size < (source.tenantsMax ?? Number.POSITIVE_INFINITY)) tenants.add(session.tenant);
    if (!tenants.has(session.tenant)) continue;
    drawn.push(plannedSession(session, source.outputTokensMax));
  }
  return drawn;
}

function plannedSession(session: SessionPlan, outputTokensMax: number): PlannedSession {
  const turns = session.turns.map((turn, index): PlannedTurn => {
    const before = session.turns[index - 1];
    const isWhole = before?.segments !== turn.segments;
    // The answer before is what the engine really said; the run after it is the next message.
    const from = isWhole || before === undefined ? 0 : before.promptSegments + 1;
    return {
      isWhole,
      fresh: turn.segments
        .slice(from, turn.promptSegments)
        .map(({ content, tokens }) => [content, tokens]),
      outputTokens: Math.min(turn.outputTokens, outputTokensMax),
      gapBeforeMs: turn.gapBeforeMs,
      leaveAfterEvents: Math.min(turn.abortAfterTokens ?? 0, outputTokensMax),
    };
  });
  return { id: session.id, tenant: session.tenant, sloClass: session.sloClass, turns };
}
