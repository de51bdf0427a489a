import type { Policy, RoutedRequest } from "../policy-lab/types.ts";
import type { Recording } from "./types.ts";

/** What the row is called that places as the receipts say. */
export const recordedName = "recorded";

interface Choice {
  readonly replica: number;
  readonly waitedMs: number;
}

/**
 * Places each turn where it was placed then, after as long a wait: what the lab's engines make of
 * the recorded decisions, so that other policies are compared with them on equal engines. A turn
 * whose replica is down goes to the next one that is up.
 */
export function recordedPolicy(recording: Recording, replicas: number): Policy {
  return {
    name: recordedName,
    source: "receipts of inference-proxy/src/receipts",
    about: "Places each request where its receipt says that it went, after the same wait.",
    start: () => {
      const choices = choicesOf(recording, replicas);
      const firstAskedAtMs = new Map<number, number>();
      return {
        place: (request, views, nowMs) => {
          const choice = choices.get(keyOf(request)) ?? { replica: 0, waitedMs: 0 };
          const askedAtMs = firstAskedAtMs.get(request.id) ?? nowMs;
          if (nowMs - askedAtMs < choice.waitedMs) {
            firstAskedAtMs.set(request.id, askedAtMs);
            return "hold";
          }
          firstAskedAtMs.delete(request.id);
          const { length } = views;
          for (let step = 0; step < length; step += 1) {
            const view = views[(choice.replica + step) % length];
            if (view?.healthy === true) return view.index;
          }
          return "hold";
        },
      };
    },
  };
}

function choicesOf({ requests, replicas: names }: Recording, replicas: number) {
  const indices = new Map(names.map((name, index) => [name, index % replicas]));
  const turns = new Map<string, number>();
  const choices = new Map<string, Choice>();
  for (const { session, replica, waitedMs } of requests) {
    const turn = turns.get(session) ?? 0;
    turns.set(session, turn + 1);
    choices.set(`${session} ${turn}`, { replica: indices.get(replica) ?? 0, waitedMs });
  }
  return choices;
}

/** The lab's names of sessions lead with those of their parents. */
function keyOf({ sessionId, turn }: RoutedRequest): string {
  return `${sessionId.slice(sessionId.lastIndexOf("/") + 1)} ${turn}`;
}
