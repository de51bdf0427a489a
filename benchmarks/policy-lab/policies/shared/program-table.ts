/** An agent session as ThunderAgent's scheduler sees it. */
export interface Program {
  readonly id: string;
  /** The request that the program waits with or runs; later asks with the same id are re-asks. */
  requestId: number | undefined;
  /** "reasoning" while a turn waits or runs, "acting" while a tool or a person does. */
  status: "reasoning" | "acting";
  isPaused: boolean;
  /** Pause as soon as the running turn has ended. */
  isMarked: boolean;
  /** Where its tokens are accounted and its turns are sent. */
  replica: number | undefined;
  /** Prompt of the running turn, or prompt and answer of the last one. */
  tokens: number;
  turns: number;
  /** Since when it acts, or since when its turn waits. */
  sinceMs: number;
}

/** Thresholds of the scheduler, named as in the published configuration. */
export interface ProgramOptions {
  /** Share of a replica's KV tokens above which programs are paused, and down to which. */
  readonly pauseThreshold: number;
  readonly pauseTarget: number;
  /** Resumed only while a replica stays under `pauseThreshold − resumeHysteresis`. */
  readonly resumeHysteresis: number;
  /** Half-life, nearly: an acting program's tokens count 2^(−idle/tau) when load is compared. */
  readonly actingDecayTauMs: number;
  /** Tokens added for each program. */
  readonly bufferTokens: number;
  /** A program that acts for longer is taken for gone. */
  readonly idleTtlMs: number;
}

interface Usage {
  used: number;
  /** Not paused and accounted here. */
  readonly programs: Program[];
}

/**
 * Which sessions may run: the union of their tokens is kept under a share of each replica's KV
 * cache by pausing whole sessions between their turns. Published algorithm, see `thunderAgent`.
 */
export class ProgramTable {
  readonly #options: ProgramOptions;
  /** KV tokens of each replica. */
  readonly #capacity: readonly number[];
  readonly #programs = new Map<string, Program>();
  /** In the order in which they were paused. */
  readonly #paused = new Set<Program>();

  constructor(capacityTokens: readonly number[], options: ProgramOptions) {
    this.#capacity = capacityTokens;
    this.#options = options;
  }

  get size(): number {
    return this.#programs.size;
  }

  get(id: string): Program | undefined {
    return this.#programs.get(id);
  }

  create(id: string): Program {
    const program: Program = {
      id,
      requestId: undefined,
      status: "reasoning",
      isPaused: false,
      isMarked: false,
      replica: undefined,
      tokens: 0,
      turns: 0,
      sinceMs: 0,
    };
    this.#programs.set(id, program);
    return program;
  }

  release(id: string): void {
    const program = this.#programs.get(id);
    if (program === undefined) return;
    this.#programs.delete(id);
    this.#paused.delete(program);
  }

  pause(program: Program): void {
    program.isPaused = true;
    program.isMarked = false;
    program.replica = undefined;
    this.#paused.add(program);
  }

  resume(program: Program, replica: number | undefined): void {
    program.isPaused = false;
    program.replica = replica;
    this.#paused.delete(program);
  }

  /** Forgets where programs of a lost replica were. */
  unplace(replica: number): void {
    for (const program of this.#programs.values()) {
      if (program.replica === replica) program.replica = undefined;
    }
  }

  /**
   * The least busy of the live replicas that have room for `program`; undefined when none has. A
   * new program queues behind everybody who is paused.
   */
  placeFor(program: Program, live: readonly number[], nowMs: number): number | undefined {
    if (program.turns <= 1 && this.#paused.size > 0) return undefined;
    const required = program.tokens + this.#options.bufferTokens;
    const usage = this.#usage(live);
    let best: number | undefined;
    let bestBusy = Number.POSITIVE_INFINITY;
    for (const [replica, its] of usage) {
      if (this.#capacity[replica]! - its.used < required) continue;
      const busy = this.#decayedUse(its, nowMs);
      if (busy < bestBusy) {
        best = replica;
        bestBusy = busy;
      }
    }
    return best;
  }

  /** The live replica with the most room, counting acting programs as fading. */
  roomiest(live: readonly number[], nowMs: number): number | undefined {
    let best: number | undefined;
    let most = Number.NEGATIVE_INFINITY;
    for (const [replica, its] of this.#usage(live)) {
      const room = this.#capacity[replica]! - this.#decayedUse(its, nowMs);
      if (room > most) {
        best = replica;
        most = room;
      }
    }
    return best;
  }

  /** One round of the scheduler: forget the gone, resume what fits, pause what does not. */
  tick(live: readonly number[], nowMs: number): void {
    for (const program of this.#programs.values()) {
      const isGone = nowMs - program.sinceMs >= this.#options.idleTtlMs;
      if (program.status === "acting" && isGone) this.release(program.id);
    }
    const usage = this.#usage(live);
    this.#resumeWhatFits(usage);
    for (const [replica, its] of usage) this.#pauseUntilSafe(this.#capacity[replica]!, its);
  }

  /** Best fit decreasing: of those that fit together, the largest first, where most room is. */
  #resumeWhatFits(usage: Map<number, Usage>): void {
    if (this.#paused.size === 0) return;
    const { bufferTokens, pauseThreshold, resumeHysteresis } = this.#options;
    const ceiling = Math.max(0, pauseThreshold - resumeHysteresis);
    const room = [...usage]
      .map(([replica, { used }]) => ({
        replica,
        tokens: Math.floor(this.#capacity[replica]! * ceiling) - used,
      }))
      .filter(({ tokens }) => tokens > bufferTokens);
    let total = room.reduce((sum, { tokens }) => sum + tokens, 0);
    const chosen: Program[] = [];
    for (const program of [...this.#paused].toSorted(byUrgency)) {
      const required = program.tokens + bufferTokens;
      if (required > total) continue;
      total -= required;
      chosen.push(program);
    }
    for (const program of chosen.toSorted((one, other) => other.tokens - one.tokens)) {
      room.sort((one, other) => other.tokens - one.tokens);
      const required = program.tokens + bufferTokens;
      const target = room[0];
      if (target === undefined || required > target.tokens) continue;
      target.tokens -= required;
      this.resume(program, target.replica);
      const its = usage.get(target.replica)!;
      its.used += required;
      its.programs.push(program);
    }
  }

  /** Acting programs are paused, smallest first; running ones are marked if that is not enough. */
  #pauseUntilSafe(capacity: number, usage: Usage): void {
    const { bufferTokens, pauseThreshold, pauseTarget } = this.#options;
    if (usage.used <= capacity * pauseThreshold) return;
    const target = capacity * Math.min(pauseTarget, pauseThreshold);
    const bySize = usage.programs.toSorted((one, other) => one.tokens - other.tokens);
    for (const program of bySize) {
      if (usage.used <= target) return;
      if (program.status !== "acting" || program.isMarked) continue;
      usage.used -= program.tokens + bufferTokens;
      this.pause(program);
    }
    if (usage.used <= target) return;
    for (const program of bySize) {
      if (program.status === "reasoning") program.isMarked = true;
    }
  }

  #usage(live: readonly number[]): Map<number, Usage> {
    const usage = new Map<number, Usage>();
    for (const replica of live) usage.set(replica, { used: 0, programs: [] });
    for (const program of this.#programs.values()) {
      if (program.isPaused || program.replica === undefined) continue;
      const its = usage.get(program.replica);
      if (its === undefined) continue;
      its.used += program.tokens + this.#options.bufferTokens;
      its.programs.push(program);
    }
    return usage;
  }

  #decayedUse({ programs }: Usage, nowMs: number): number {
    const { actingDecayTauMs, bufferTokens } = this.#options;
    let tokens = programs.length * bufferTokens;
    for (const program of programs) {
      const idleMs = program.status === "acting" ? Math.max(0, nowMs - program.sinceMs) : 0;
      tokens += Math.floor(program.tokens * 2 ** (-idleMs / actingDecayTauMs));
    }
    return tokens;
  }
}

/**
 * Turns that wait in old programs, then new programs, then programs that still act; small first.
 */
function byUrgency(one: Program, other: Program): number {
  return groupOf(one) - groupOf(other) || one.tokens - other.tokens;
}

function groupOf({ turns, status }: Program): number {
  if (turns <= 1) return 1;
  return status === "reasoning" ? 0 : 2;
}
