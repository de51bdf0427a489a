import { quantileOf } from "../report/statistics.ts";
import type { SessionPlan, TurnPlan } from "./types.ts";

/** What a workload looks like, from a number of its sessions. */
export interface WorkloadFacts {
  readonly sessions: number;
  readonly turns: number;
  /** Subagents, which count as sessions of their own nowhere else. */
  readonly children: number;
  readonly abandonedTurns: number;
  readonly sessionsPerSecond: number;
  readonly tenants: number;
  /** Share of prompt tokens that an infinite cache would serve, by runs of equal content. */
  readonly infiniteCacheHits: number;
  readonly spreads: Readonly<Record<string, Spread>>;
}

/** Quantiles and mean of one quantity. */
export interface Spread {
  readonly p10: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly mean: number;
}

/** Looks at the first `count` sessions. */
export function describeSessions(sessions: Iterable<SessionPlan>, count: number): WorkloadFacts {
  const counter = new FactCounter();
  let taken = 0;
  for (const session of sessions) {
    counter.add(session);
    taken += 1;
    if (taken === count) break;
  }
  return counter.facts();
}

class FactCounter {
  readonly #samples: Record<string, number[]> = {};
  readonly #tenants = new Set<string>();
  /** Contents that came right after an equal context, by salt: what an infinite cache holds. */
  readonly #cached = new Set<string>();
  #sessions = 0;
  #children = 0;
  #turns = 0;
  #abandoned = 0;
  #promptTokens = 0;
  #hitTokens = 0;
  #firstMs = Number.POSITIVE_INFINITY;
  #lastMs = 0;

  add(session: SessionPlan): void {
    this.#sessions += 1;
    this.#tenants.add(session.tenant);
    this.#firstMs = Math.min(this.#firstMs, session.startMs);
    this.#lastMs = Math.max(this.#lastMs, session.startMs);
    this.#sample("turns per session", session.turns.length);
    for (const turn of session.turns) this.#addTurn(turn, session.cacheSalt ?? "");
  }

  facts(): WorkloadFacts {
    const spanMs = this.#lastMs - this.#firstMs;
    return {
      sessions: this.#sessions,
      turns: this.#turns,
      children: this.#children,
      abandonedTurns: this.#abandoned,
      sessionsPerSecond: spanMs > 0 ? ((this.#sessions - 1) * 1000) / spanMs : Number.NaN,
      tenants: this.#tenants.size,
      infiniteCacheHits: this.#hitTokens / this.#promptTokens,
      spreads: Object.fromEntries(
        Object.entries(this.#samples).map(([name, values]) => [name, spreadOf(values)]),
      ),
    };
  }

  #addTurn(turn: TurnPlan, salt: string): void {
    this.#turns += 1;
    if (turn.abortAfterTokens !== undefined) this.#abandoned += 1;
    this.#sample("prompt tokens", turn.promptTokens);
    this.#sample("output tokens", turn.outputTokens);
    if (turn.gapKind === "tool" || turn.gapKind === "human") {
      this.#sample(`${turn.gapKind} gap, ms`, turn.gapBeforeMs);
    }
    this.#addPrompt(turn, salt);
    for (const child of turn.children ?? []) {
      this.#children += 1;
      for (const each of child.turns) this.#addTurn(each, salt);
    }
  }

  #addPrompt({ segments, promptSegments, promptTokens }: TurnPlan, salt: string): void {
    this.#promptTokens += promptTokens;
    let isPrefix = true;
    let before = salt;
    // The answer is in the cache afterwards too.
    for (const [index, { content, tokens }] of segments.slice(0, promptSegments + 1).entries()) {
      // A content that is not shared occurs after one context only, so the pair names the chain.
      const link = `${before}>${content}`;
      isPrefix &&= this.#cached.has(link);
      if (isPrefix && index < promptSegments) this.#hitTokens += tokens;
      this.#cached.add(link);
      before = String(content);
    }
  }

  #sample(name: string, value: number): void {
    const samples = this.#samples[name] ?? [];
    samples.push(value);
    this.#samples[name] = samples;
  }
}

function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((left, right) => left - right);
  const at = (quantile: number) => quantileOf(sorted, quantile);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { p10: at(0.1), p50: at(0.5), p90: at(0.9), p99: at(0.99), mean };
}
