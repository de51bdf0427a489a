import type { EngineProfile } from "../../engine/types.ts";
import type { SessionPlan, TurnPlan, Workload } from "../../workloads/types.ts";
import { createNominal, type Nominal } from "./nominal.ts";

/** What a workload asks of a fleet, by its plan and a step model; from a sample of its sessions. */
export interface LoadShape {
  /** Tokens that a session keeps to itself, children included, as a mean over its time. */
  readonly privateTokens: number;
  /** Mean duration of a session on a lightly loaded fleet with a full cache, gaps included. */
  readonly jobMs: number;
  readonly turnsPerJob: number;
  /** Tokens of the sample that several sessions use; they count once for the fleet. */
  readonly sharedTokens: number;
  /** Of the workload's own arrivals; undefined where all sessions start at once. */
  readonly sessionsPerSecond: number | undefined;
}

/** One stretch of a session: the gap before a turn, and the turn with what its join waits for. */
export interface Stretch {
  readonly gapMs: number;
  readonly turnMs: number;
}

/** Sessions looked at; heavy tails want many, and it is done once per process. */
const sampleSize = 400;
const sampleSeed = 20_260;
/** Sequences that decode beside each other on a replica that is busy but not full. */
const neighbours = 16;

/** Looks at the workload's first sessions under a seed of its own. */
export function loadShapeOf(workload: Workload, profile: EngineProfile): LoadShape {
  const nominal = createNominal(profile);
  const sessions: SessionPlan[] = [];
  for (const session of workload.sessions(sampleSeed)) {
    sessions.push(session);
    if (sessions.length === sampleSize) break;
  }
  const owners = ownersOf(sessions);
  let tokenMs = 0;
  let jobMs = 0;
  let turns = 0;
  for (const session of sessions) {
    tokenMs += tokenTimeOf(session, owners, nominal);
    jobMs += durationOf(session, nominal);
    turns += turnsOf(session);
  }
  const firstMs = sessions[0]?.startMs ?? 0;
  const spanMs = (sessions.at(-1)?.startMs ?? 0) - firstMs;
  return {
    privateTokens: tokenMs / jobMs,
    jobMs: jobMs / sessions.length,
    turnsPerJob: turns / sessions.length,
    sharedTokens: owners.sharedTokens,
    sessionsPerSecond: spanMs > 0 ? ((sessions.length - 1) * 1000) / spanMs : undefined,
  };
}

/** The session's time on a lightly loaded fleet, stretch by stretch. */
export function stretchesOf(session: SessionPlan, nominal: Nominal): readonly Stretch[] {
  let cachedTokens = 0;
  return session.turns.map((turn) => {
    const { promptTokens, outputTokens, gapBeforeMs } = turn;
    const cached = Math.min(cachedTokens, promptTokens);
    cachedTokens = promptTokens + outputTokens;
    const turnMs = nominal.turnMs({ promptTokens, outputTokens, cachedTokens: cached }, neighbours);
    const childrenMs = (turn.children ?? []).map((child) => durationOf(child, nominal));
    return { gapMs: gapBeforeMs, turnMs: turnMs + Math.max(0, ...childrenMs) };
  });
}

/** Duration of a session on a lightly loaded fleet. */
export function durationOf(session: SessionPlan, nominal: Nominal): number {
  return stretchesOf(session, nominal).reduce((sum, { gapMs, turnMs }) => sum + gapMs + turnMs, 0);
}

function turnsOf(session: SessionPlan): number {
  return session.turns.reduce(
    (sum, { children = [] }) => sum + 1 + children.reduce((all, child) => all + turnsOf(child), 0),
    0,
  );
}

/** Which session a content belongs to. */
interface Owners {
  readonly of: ReadonlyMap<number, SessionPlan>;
  readonly shared: ReadonlySet<number>;
  readonly sharedTokens: number;
}

function ownersOf(roots: readonly SessionPlan[]): Owners {
  const of = new Map<number, SessionPlan>();
  const rootOf = new Map<number, SessionPlan>();
  const shared = new Set<number>();
  let sharedTokens = 0;
  const visit = (session: SessionPlan, root: SessionPlan) => {
    forEachNewSegment(session, ({ content, tokens }) => {
      if (!of.has(content)) {
        of.set(content, session);
        rootOf.set(content, root);
      } else if (rootOf.get(content) !== root && !shared.has(content)) {
        shared.add(content);
        sharedTokens += tokens;
      }
    });
    for (const { children = [] } of session.turns) {
      for (const child of children) visit(child, root);
    }
  };
  for (const root of roots) visit(root, root);
  return { of, shared, sharedTokens };
}

/** Every segment of a session; those that turns share in one growing array are seen once. */
function forEachNewSegment(
  { turns }: SessionPlan,
  see: (segment: { readonly content: number; readonly tokens: number }) => void,
): void {
  let array: TurnPlan["segments"] | undefined;
  let seen = 0;
  for (const { segments, promptSegments } of turns) {
    if (segments !== array) seen = 0;
    array = segments;
    for (; seen <= promptSegments; seen += 1) {
      const segment = segments[seen];
      if (segment !== undefined) see(segment);
    }
  }
}

/** Σ tokens of its own × the time that they are kept, in token·ms; children's included. */
function tokenTimeOf(session: SessionPlan, owners: Owners, nominal: Nominal): number {
  const stretches = stretchesOf(session, nominal);
  let array: TurnPlan["segments"] | undefined;
  let seen = 0;
  let own = 0;
  let sum = 0;
  for (const [index, turn] of session.turns.entries()) {
    if (turn.segments !== array) {
      seen = 0;
      own = 0;
    }
    array = turn.segments;
    for (; seen <= turn.promptSegments; seen += 1) {
      const segment = turn.segments[seen];
      if (segment === undefined || owners.shared.has(segment.content)) continue;
      if (owners.of.get(segment.content) === session) own += segment.tokens;
    }
    const keptMs = (stretches[index]?.turnMs ?? 0) + (stretches[index + 1]?.gapMs ?? 0);
    sum += own * keptMs;
    for (const child of turn.children ?? []) sum += tokenTimeOf(child, owners, nominal);
  }
  return sum;
}
