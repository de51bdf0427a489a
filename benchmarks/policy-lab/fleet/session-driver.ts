import type { SessionPlan, TurnPlan } from "../../workloads/types.ts";
import type { LiveTurn } from "./attempt.ts";
import type { EventQueue } from "./event-queue.ts";
import type { LiveSession } from "./live-session.ts";

/** A session and where in it the run takes it up. */
export interface SessionStart {
  readonly plan: SessionPlan;
  /** Index of the first turn that is played. */
  readonly turn: number;
  /** How much of the gap before that turn is left. */
  readonly gapMs: number;
}

/** Plays sessions closed loop: a turn is sent when the one before it and its gap have ended. */
export interface SessionDriver {
  /** Sessions under way, children included. */
  readonly live: number;
  readonly turnsSent: number;
  readonly turnsEnded: number;
  start(start: SessionStart): void;
  turnEnded(turn: LiveTurn, nowMs: number): void;
}

interface DriverOptions {
  readonly queue: EventQueue;
  send(turn: LiveTurn): void;
  /** A turn ended and another will follow. */
  onPause(session: LiveSession): void;
  onSessionEnded(session: LiveSession, nowMs: number): void;
}

/** A driver without sessions. */
export function createSessionDriver(options: DriverOptions): SessionDriver {
  return new Driver(options);
}

class Driver implements SessionDriver {
  readonly #options: DriverOptions;
  live = 0;
  turnsSent = 0;
  turnsEnded = 0;

  constructor(options: DriverOptions) {
    this.#options = options;
  }

  start(start: SessionStart): void {
    this.#start(start, undefined);
  }

  turnEnded({ session, plan }: LiveTurn, nowMs: number): void {
    this.turnsEnded += 1;
    session.nextTurn += 1;
    const children = plan.children ?? [];
    session.childrenLeft = children.length;
    const next = session.plan.turns[session.nextTurn];
    if (next !== undefined) {
      this.#options.onPause(session);
      this.#waitGap(session, next.gapBeforeMs);
    }
    for (const child of children) {
      const gapMs = child.turns[0]?.gapBeforeMs ?? 0;
      this.#start({ plan: child, turn: 0, gapMs }, session);
    }
    if (next === undefined && children.length === 0) this.#end(session, nowMs);
  }

  #start({ plan, turn, gapMs }: SessionStart, parent: LiveSession | undefined): void {
    this.live += 1;
    const session: LiveSession = {
      plan,
      parent,
      startedMs: this.#options.queue.nowMs + gapMs,
      firstTurn: turn,
      nextTurn: turn,
      childrenLeft: 0,
      gapEndsMs: undefined,
    };
    this.#waitGap(session, gapMs);
  }

  #waitGap(session: LiveSession, gapMs: number): void {
    const { queue } = this.#options;
    const endsMs = queue.nowMs + gapMs;
    session.gapEndsMs = endsMs;
    queue.at(endsMs, () => this.#sendIfReady(session));
  }

  /** Sends the next turn when its gap is over and all children have come back. */
  #sendIfReady(session: LiveSession): void {
    const { queue, send } = this.#options;
    const { gapEndsMs, childrenLeft, nextTurn, plan } = session;
    const turn = plan.turns[nextTurn];
    if (gapEndsMs === undefined || gapEndsMs > queue.nowMs || childrenLeft > 0) return;
    if (turn === undefined) return;
    session.gapEndsMs = undefined;
    this.turnsSent += 1;
    send(liveTurn(session, turn, queue.nowMs));
  }

  #end(session: LiveSession, nowMs: number): void {
    this.live -= 1;
    this.#options.onSessionEnded(session, nowMs);
    const { parent } = session;
    if (parent === undefined) return;
    parent.childrenLeft -= 1;
    if (parent.childrenLeft > 0) return;
    if (parent.nextTurn < parent.plan.turns.length) this.#sendIfReady(parent);
    else this.#end(parent, nowMs);
  }
}

function liveTurn(session: LiveSession, plan: TurnPlan, sentMs: number): LiveTurn {
  return {
    session,
    plan,
    index: session.nextTurn,
    sentMs,
    outputTokens: Math.min(plan.outputTokens, plan.abortAfterTokens ?? plan.outputTokens),
    firstTokenMs: undefined,
    boundTokens: 0,
    heldMs: 0,
  };
}
