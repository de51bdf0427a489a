import type { Clock } from "@warmpath/runtime/base";

/** Which model served a session's last turn. */
export interface SessionModels {
  /** Undefined for no session, one that is not known, and one that was silent for too long. */
  modelOf(session: string): string | undefined;
  note(session: string, model: string): void;
}

/**
 * A session's prompt is cached where its last turn was, and its thinking can be read only there:
 * for `stayMs` it is better off at the same model. The session silent for longest is forgotten
 * first.
 */
export function createSessionModels(options: {
  readonly clock: Clock;
  readonly stayMs: number;
  readonly sessionsMax: number;
}): SessionModels {
  const { clock, stayMs, sessionsMax } = options;
  const served = new Map<string, { readonly model: string; readonly atMs: number }>();
  return {
    modelOf: (session) => {
      const last = served.get(session);
      return last === undefined || clock.monotonicMs() - last.atMs >= stayMs
        ? undefined
        : last.model;
    },
    note: (session, model) => {
      if (session === "" || stayMs === 0) {
        return;
      }
      // Deleted first, so that the map's order is that of the last turns.
      served.delete(session);
      served.set(session, { model, atMs: clock.monotonicMs() });
      if (served.size > sessionsMax) {
        const [oldest = ""] = served.keys();
        served.delete(oldest);
      }
    },
  };
}
