import { abortSignalOf, type CancelSignal, type Clock } from "@warmpath/runtime/base";
import { decideRoute } from "./decide.ts";
import { createRoomLog } from "./room-log.ts";
import { createSessionModels } from "./session-models.ts";
import type { RequestTraits, Room, Route, RouteRule, RouteStep } from "./types.ts";

/** The table at work. */
export interface Router {
  /** What to try for this request; undefined where no rule is about it. */
  routeOf(traits: RequestTraits): Route | undefined;
  /** Remembers where a session was served: its next turn had better go there too. */
  noteServed(session: string, model: string): void;
  /**
   * Waits until a model without healthy replicas has one, at most as long as its step may; false
   * when that did not come.
   */
  untilWell(step: RouteStep, signal: CancelSignal): Promise<boolean>;
}

/** `onChange` calls its listener whenever an upstream has changed. */
export function createRouter(options: {
  readonly rules: readonly RouteRule[];
  readonly overflowWaitMs: number;
  /** How long a session stays at a model after its last turn; 0: not at all. */
  readonly stayMs: number;
  readonly sessionsMax: number;
  readonly clock: Clock;
  readonly roomOf: (model: string) => Room;
  readonly priceOf: (model: string) => number;
  readonly onChange: (listener: () => void) => void;
}): Router {
  const { rules, roomOf, clock } = options;
  const log = createRoomLog(clock);
  const models = new Set(rules.flatMap(({ ranks }) => ranks.flat()));
  const sessions = createSessionModels(options);
  const waiting = new Set<() => void>();
  const view = {
    stateOf: (model: string) => log.note(model, roomOf(model)),
    priceOf: options.priceOf,
    overflowWaitMs: options.overflowWaitMs,
  };
  options.onChange(() => {
    for (const model of models) {
      view.stateOf(model);
    }
    for (const look of waiting) {
      look();
    }
  });
  const isWell = (model: string) => roomOf(model) === "free" || roomOf(model) === "saturated";

  return {
    routeOf: (traits) => {
      const rule = rules.find(({ matches }) => matches(traits));
      return rule === undefined
        ? undefined
        : decideRoute(rule, view, sessions.modelOf(traits.session));
    },
    noteServed: (session, model) => sessions.note(session, model),
    untilWell: async ({ model, waitMs }, signal) => {
      if (waitMs === undefined || isWell(model)) {
        return true;
      }
      const over = new AbortController();
      const look = () => {
        if (isWell(model)) {
          over.abort();
        }
      };
      waiting.add(look);
      try {
        await clock.sleep(waitMs, AbortSignal.any([over.signal, abortSignalOf(signal)]));
      } catch {
        // Woken: by the model, or by the caller's leaving, which its call finds out at once.
      } finally {
        waiting.delete(look);
      }
      return isWell(model);
    },
  };
}
