/** Keeps suspects apart, so that the next death names the culprit. */
export interface Quarantine {
  /** Replicas that have a suspect now; changes by itself. */
  readonly occupied: ReadonlySet<string>;
  /** A suspect goes to a replica; undefined where another one is. The end lets the next one in. */
  enter(replica: string): { leave(): void } | undefined;
  /** Resolves when some suspect has left its replica, or the wait is called off. */
  turn(): { readonly left: Promise<void>; callOff(): void };
}

/**
 * Requests that were in flight when an engine died are suspects until their first event elsewhere.
 * One of them at a time on a replica: when that dies too, it is known who did it, and all others
 * that died beside it are innocent.
 */
export function createQuarantine(options: {
  readonly onLeave: (replica: string) => void;
}): Quarantine {
  const occupied = new Set<string>();
  const waiting = new Set<() => void>();
  return {
    occupied,
    enter: (replica) => {
      if (occupied.has(replica)) {
        return undefined;
      }
      occupied.add(replica);
      let hasLeft = false;
      return {
        leave: () => {
          if (hasLeft) {
            return;
          }
          hasLeft = true;
          occupied.delete(replica);
          options.onLeave(replica);
          const turns = [...waiting];
          waiting.clear();
          for (const resolve of turns) {
            resolve();
          }
        },
      };
    },
    turn: () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.add(resolve);
      return {
        left: promise,
        callOff: () => {
          waiting.delete(resolve);
          resolve();
        },
      };
    },
  };
}

/** The replicas that a suspect may not go to: those that failed it, and those that have another. */
export class SuspectExclusion extends Set<string> {
  readonly #failed: ReadonlySet<string>;
  readonly #occupied: ReadonlySet<string>;

  constructor(failed: ReadonlySet<string>, occupied: ReadonlySet<string>) {
    super(failed);
    this.#failed = failed;
    this.#occupied = occupied;
  }

  override has(replica: string): boolean {
    return this.#failed.has(replica) || this.#occupied.has(replica);
  }
}
