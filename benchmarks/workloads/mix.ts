import type { SessionPlan, Workload } from "./types.ts";

/** One part of a mix; its sessions go by the part's name. */
export interface Part {
  readonly name: string;
  readonly workload: Workload;
  /** All sessions of the part belong to this tenant; absent: to their own. */
  readonly tenant?: string;
}

/**
 * Several workloads at once, in the order of their arrivals. Parts share no tokens: whoever is
 * another tenant's neighbour has other prompts.
 */
export function mixOf(name: string, about: string, parts: readonly Part[]): Workload {
  return {
    name,
    about,
    *sessions(seed) {
      const heads = parts.map((part, index) => {
        const sessions = part.workload.sessions(seed)[Symbol.iterator]();
        return { part, index, sessions, next: sessions.next() };
      });
      for (;;) {
        let first: (typeof heads)[number] | undefined;
        for (const head of heads) {
          if (head.next.done === true) continue;
          if (first === undefined || head.next.value.startMs < startOf(first.next)) first = head;
        }
        if (first === undefined || first.next.done === true) return;
        yield renamed(first.next.value, first.part, first.index);
        first.next = first.sessions.next();
      }
    },
  };
}

function startOf(next: IteratorResult<SessionPlan>): number {
  return next.done === true ? Number.POSITIVE_INFINITY : next.value.startMs;
}

function renamed(session: SessionPlan, part: Part, index: number): SessionPlan {
  const tenant = part.tenant ?? session.tenant;
  const turns = session.turns.map((turn) =>
    turn.children === undefined
      ? turn
      : { ...turn, children: turn.children.map((child) => renamed(child, part, index)) },
  );
  // The salt keeps equal identities of different parts apart.
  const salt = session.cacheSalt ?? `${index}`;
  return { ...session, id: `${part.name}/${session.id}`, tenant, turns, cacheSalt: salt };
}
