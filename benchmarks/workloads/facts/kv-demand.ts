import type { SessionPlan, TurnPlan, Workload } from "../types.ts";
import { type PrefixNode, PrefixTree } from "./prefix-tree.ts";

/** How much KV cache the live sessions of a workload want, from a sample of its sessions. */
export interface KvDemand {
  /** Tokens that a live session keeps to itself, its subagents' included: mean over its time. */
  readonly privateTokens: number;
  /** All tokens of the sample that more than one session uses; each counted once. */
  readonly sharedTokens: number;
  /** Mean life of a session, gaps included. */
  readonly sessionMs: number;
  /** Unique tokens that so many live sessions keep between them, in expectation. */
  tokens(liveSessions: number): number;
  /** How many live sessions come nearest to wanting so many tokens; at least 1. */
  sessions(tokens: number): number;
}

/** Time of one turn on a fleet that is not full, in ms. */
export type TurnTime = (
  uncachedTokens: number,
  outputTokens: number,
  promptTokens: number,
) => number;

/** How the sample is drawn, and how long a turn takes. */
export interface KvDemandOptions {
  /** Default 1. */
  readonly seed?: number;
  /** Sessions looked at; default 1,000: the tail of a session's length is heavy. */
  readonly sampleSessions?: number;
  /** Default `nominalTurnMs`. */
  turnMs?: TurnTime;
}

/**
 * An 8B model on one H100, lightly loaded: 22 µs a token of prefill (45,000 a second), 10 ms a
 * token of answer (measured vLLM: 8.1 to 16.6), 15 ms around each request.
 */
export function nominalTurnMs(uncachedTokens: number, outputTokens: number): number {
  return 15 + 0.022 * uncachedTokens + 10 * outputTokens;
}

/** Unique tokens that `liveSessions` closed-loop sessions of the workload keep between them. */
export function kvDemandTokens(
  workload: Workload,
  liveSessions: number,
  options?: KvDemandOptions,
): number {
  return kvDemandOf(workload, options).tokens(liveSessions);
}

/**
 * Closed-loop sessions whose KV demand is `demand` times what a fleet holds (`fleetTokens`, all
 * replicas together); at least 1.
 */
export function sessionsForDemand(
  workload: Workload,
  { fleetTokens, demand }: { readonly fleetTokens: number; readonly demand: number },
  options?: KvDemandOptions,
): number {
  return kvDemandOf(workload, options).sessions(fleetTokens * demand);
}

/**
 * Weighs what sessions keep by how long they keep it. A session keeps its context from the turn
 * that made it until it ends or rewrites it, gaps included; a subagent keeps its own until it ends.
 * What a session shares is kept while any live session keeps it: of tokens that a session keeps for
 * the share `p` of its time, `n` sessions keep `1 − (1 − p)ⁿ`.
 */
export function kvDemandOf(workload: Workload, options: KvDemandOptions = {}): KvDemand {
  const { seed = 1, sampleSessions = 1_000, turnMs = nominalTurnMs } = options;
  const ledger = new Ledger(turnMs);
  let drawn = 0;
  for (const session of workload.sessions(seed)) {
    ledger.add(session);
    drawn += 1;
    if (drawn === sampleSessions) break;
  }
  if (drawn === 0) throw new RangeError(`${workload.name} has no sessions`);
  return ledger.demand(drawn);
}

/** Who kept a node, and for how long. */
interface Holding {
  heldMs: number;
  root: number;
  isShared: boolean;
}

/** What a session keeps at one moment: nodes from the first on, each since when. */
interface Kept {
  readonly nodes: PrefixNode[];
  readonly sinceMs: number[];
  /** The first so many are the parent's to keep. */
  inherited: number;
}

/** Where a session begins: its parent's moment, or nowhere. */
interface Start {
  readonly fromMs: number;
  readonly salt: string;
  readonly parent: Kept | undefined;
}

class Ledger {
  readonly #tree = new PrefixTree();
  readonly #holdings = new Map<PrefixNode, Holding>();
  readonly #turnMs: TurnTime;
  #totalMs = 0;
  #root = 0;

  constructor(turnMs: TurnTime) {
    this.#turnMs = turnMs;
  }

  add(session: SessionPlan): void {
    this.#root += 1;
    const salt = session.cacheSalt ?? "";
    this.#totalMs += this.#play(session, { fromMs: 0, salt, parent: undefined });
  }

  demand(sessions: number): KvDemand {
    const shared: { readonly tokens: number; readonly share: number }[] = [];
    let privateTokenMs = 0;
    let sharedTokens = 0;
    for (const [{ tokens }, { heldMs, isShared }] of this.#holdings) {
      if (!isShared) {
        privateTokenMs += tokens * heldMs;
        continue;
      }
      sharedTokens += tokens;
      shared.push({ tokens, share: Math.min(1, heldMs / this.#totalMs) });
    }
    const privateTokens = privateTokenMs / this.#totalMs;
    const tokensOf = (live: number) =>
      shared.reduce((sum, { tokens, share }) => sum + tokens * (1 - (1 - share) ** live), 0) +
      live * privateTokens;
    return {
      privateTokens,
      sharedTokens,
      sessionMs: this.#totalMs / sessions,
      tokens: tokensOf,
      sessions: (tokens) => nearestCount(tokensOf, tokens),
    };
  }

  /** Plays a session alone; returns when it ends. */
  #play(session: SessionPlan, { fromMs, salt, parent }: Start): number {
    const kept: Kept = {
      nodes: [...(parent?.nodes ?? [])],
      sinceMs: [...(parent?.sinceMs ?? [])],
      inherited: parent?.nodes.length ?? 0,
    };
    let nowMs = fromMs;
    for (const turn of session.turns) {
      nowMs += turn.gapBeforeMs;
      const { nodes } = this.#tree.walk(turn.segments, turn.promptSegments + 1, { salt });
      const cachedTokens = this.#keep(kept, nodes, turn.promptSegments + 1, nowMs);
      const answered = turn.abortAfterTokens ?? turn.outputTokens;
      const { promptTokens } = turn;
      nowMs += this.#turnMs(Math.max(1, promptTokens - cachedTokens), answered, promptTokens);
      nowMs = this.#playChildren(turn, { fromMs: nowMs, salt, parent: kept });
    }
    this.#drop(kept, 0, nowMs);
    return nowMs;
  }

  /** All children begin at once; returns when the last has ended. */
  #playChildren({ children = [] }: TurnPlan, start: Start): number {
    const ends = children.map((child) =>
      this.#play(child, { ...start, salt: child.cacheSalt ?? start.salt }),
    );
    return Math.max(start.fromMs, ...ends);
  }

  /** Keeps the first `count` nodes from now on, no others; returns the tokens it had before. */
  #keep(kept: Kept, nodes: readonly PrefixNode[], count: number, nowMs: number): number {
    // The end is compared first: a context that only grew is seen at once.
    let common = Math.min(kept.nodes.length, count);
    if (kept.nodes[common - 1] !== nodes[common - 1]) {
      common = 0;
      while (kept.nodes[common] === nodes[common]) common += 1;
    }
    this.#drop(kept, common, nowMs);
    for (const node of nodes.slice(common, count)) {
      kept.nodes.push(node);
      kept.sinceMs.push(nowMs);
    }
    return nodes[common - 1]?.endTokens ?? 0;
  }

  #drop(kept: Kept, from: number, nowMs: number): void {
    for (let index = Math.max(from, kept.inherited); index < kept.nodes.length; index += 1) {
      const node = kept.nodes[index];
      if (node !== undefined) this.#credit(node, nowMs - (kept.sinceMs[index] ?? nowMs));
    }
    kept.nodes.length = from;
    kept.sinceMs.length = from;
    kept.inherited = Math.min(kept.inherited, from);
  }

  #credit(node: PrefixNode, ms: number): void {
    const holding = this.#holdings.get(node);
    if (holding === undefined) {
      this.#holdings.set(node, { heldMs: ms, root: this.#root, isShared: false });
      return;
    }
    holding.heldMs += ms;
    holding.isShared ||= holding.root !== this.#root;
  }
}

/** The count from 1 on whose rising `tokensOf` is nearest to `tokens`. */
function nearestCount(tokensOf: (count: number) => number, tokens: number): number {
  const countMax = 2 ** 30;
  let high = 1;
  while (tokensOf(high) < tokens && high < countMax) high *= 2;
  if (high >= countMax) throw new RangeError(`no number of live sessions wants ${tokens} tokens`);
  let low = 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (tokensOf(middle) < tokens) low = middle + 1;
    else high = middle;
  }
  const below = Math.max(1, low - 1);
  return tokens - tokensOf(below) < tokensOf(low) - tokens ? below : low;
}
