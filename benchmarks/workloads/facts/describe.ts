import type { SessionPlan, TurnPlan, Workload } from "../types.ts";
import { PrefixTree, type WalkOptions } from "./prefix-tree.ts";
import { type Spread, Spreads } from "./spreads.ts";

/** What a workload looks like, from a number of its sessions. */
export interface WorkloadFacts {
  readonly sessions: number;
  readonly turns: number;
  /** Subagents, which count as sessions of their own nowhere else. */
  readonly subagents: number;
  /** Turns whose client left in the middle of the answer. */
  readonly abandonedTurns: number;
  /** Turns before which the context was rewritten. */
  readonly rewrittenTurns: number;
  readonly sessionsPerSecond: number;
  readonly tenants: number;
  /** Share of the sessions that the two largest tenants have. */
  readonly largestTwoTenants: number;
  /** Share of prompt tokens that an infinite cache would serve, by runs of equal content. */
  readonly infiniteCacheHits: number;
  /** Share of prompt tokens that it would serve because another session had them before. */
  readonly sharedHits: number;
  readonly spreads: Readonly<Record<string, Spread>>;
  /** Pauses by tool, ms. */
  readonly tools: Readonly<Record<string, Spread>>;
}

/** Looks at the first `sessions` sessions under a seed. */
export function describeWorkload(
  workload: Workload,
  { seed, sessions }: { readonly seed: number; readonly sessions: number },
): WorkloadFacts {
  const counter = new FactCounter();
  let taken = 0;
  for (const session of workload.sessions(seed)) {
    counter.add(session);
    taken += 1;
    if (taken === sessions) break;
  }
  return counter.facts();
}

class FactCounter {
  readonly #spreads = new Spreads();
  readonly #tools = new Spreads();
  readonly #tree = new PrefixTree();
  readonly #sessionsByTenant = new Map<string, number>();
  #sessions = 0;
  #subagents = 0;
  #turns = 0;
  #abandoned = 0;
  #rewritten = 0;
  #promptTokens = 0;
  #hitTokens = 0;
  #sharedTokens = 0;
  #firstMs = Number.POSITIVE_INFINITY;
  #lastMs = 0;

  add(session: SessionPlan): void {
    const { tenant, startMs, turns } = session;
    this.#sessions += 1;
    this.#sessionsByTenant.set(tenant, (this.#sessionsByTenant.get(tenant) ?? 0) + 1);
    this.#firstMs = Math.min(this.#firstMs, startMs);
    this.#lastMs = Math.max(this.#lastMs, startMs);
    this.#spreads.add("turns per session", turns.length);
    this.#addRequests(turns);
    this.#addTurns(session, { walker: this.#sessions, salt: session.cacheSalt ?? "" });
  }

  facts(): WorkloadFacts {
    const spanMs = this.#lastMs - this.#firstMs;
    const bySize = [...this.#sessionsByTenant.values()].toSorted((left, right) => right - left);
    return {
      sessions: this.#sessions,
      turns: this.#turns,
      subagents: this.#subagents,
      abandonedTurns: this.#abandoned,
      rewrittenTurns: this.#rewritten,
      sessionsPerSecond: spanMs > 0 ? ((this.#sessions - 1) * 1000) / spanMs : Number.NaN,
      tenants: bySize.length,
      largestTwoTenants: ((bySize[0] ?? 0) + (bySize[1] ?? 0)) / this.#sessions,
      infiniteCacheHits: this.#hitTokens / this.#promptTokens,
      sharedHits: this.#sharedTokens / this.#promptTokens,
      spreads: this.#spreads.all(),
      tools: this.#tools.all(),
    };
  }

  /** A request is what a person asks for: a first turn, or one after a pause of theirs. */
  #addRequests(turns: readonly TurnPlan[]): void {
    let requests = 0;
    let toolSteps = 0;
    for (const { gapKind } of turns) {
      if (gapKind === "tool") toolSteps += 1;
      if (gapKind !== "start" && gapKind !== "human") continue;
      if (requests > 0) this.#spreads.add("tool steps per request", toolSteps);
      requests += 1;
      toolSteps = 0;
    }
    this.#spreads.add("tool steps per request", toolSteps);
    this.#spreads.add("requests per session", requests);
  }

  #addTurns({ turns }: SessionPlan, options: WalkOptions): void {
    let before: TurnPlan | undefined;
    for (const turn of turns) {
      this.#addTurn(turn, options);
      if (before !== undefined && isRewritten(before, turn)) this.#rewritten += 1;
      before = turn;
      for (const child of turn.children ?? []) {
        this.#subagents += 1;
        this.#addTurns(child, { ...options, salt: child.cacheSalt ?? options.salt ?? "" });
      }
    }
  }

  #addTurn(turn: TurnPlan, options: WalkOptions): void {
    const { promptTokens, outputTokens, gapKind, gapBeforeMs, toolName } = turn;
    this.#turns += 1;
    if (turn.abortAfterTokens !== undefined) this.#abandoned += 1;
    this.#spreads.add("prompt tokens", promptTokens);
    this.#spreads.add("output tokens", outputTokens);
    if (gapKind === "tool" || gapKind === "human") {
      const appended = turn.segments[turn.promptSegments - 1]?.tokens ?? 0;
      this.#spreads.add("appended tokens", appended);
      this.#spreads.add(`${gapKind} pause, ms`, gapBeforeMs);
    }
    if (toolName !== undefined) this.#tools.add(toolName, gapBeforeMs);
    this.#addPrompt(turn, options);
  }

  #addPrompt({ segments, promptSegments, promptTokens }: TurnPlan, options: WalkOptions): void {
    this.#promptTokens += promptTokens;
    // The answer is in the cache afterwards too.
    const { nodes, known } = this.#tree.walk(segments, promptSegments + 1, options);
    const hits = Math.min(known, promptSegments);
    this.#hitTokens += nodes[hits - 1]?.endTokens ?? 0;
    let shared = 0;
    while (shared < hits && nodes[shared]?.walker !== options.walker) shared += 1;
    this.#sharedTokens += nodes[shared - 1]?.endTokens ?? 0;
  }
}

/** A turn of another list of runs which does not begin with all that the turn before was asked. */
function isRewritten(before: TurnPlan, turn: TurnPlan): boolean {
  if (before.segments === turn.segments) return false;
  const last = before.promptSegments - 1;
  return before.segments[last]?.content !== turn.segments[last]?.content;
}
