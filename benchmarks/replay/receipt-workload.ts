import { traceName } from "../policy-lab/workload-named.ts";
import type { GapKind, SessionPlan, SloClass, TurnPlan, Workload } from "../workloads/types.ts";
import { PromptTree } from "./prompt-tree.ts";
import type { Recording, ReplayedRequest } from "./types.ts";

/** What the lab calls it: a trace, which is played at its own pace and from its beginning. */
export const receiptWorkloadName = traceName("receipts");

const classOf: Readonly<Record<string, SloClass>> = {
  interactive: "interactive",
  batch: "batch",
};

/**
 * The requests of receipts as sessions: each begins when it began, and its next turn comes so long
 * after the end of the one before as it did then. There is no chance in it.
 */
export function receiptWorkload({ requests }: Recording): Workload {
  const sessions = sessionsOf(requests);
  return {
    name: receiptWorkloadName,
    about: `${requests.length} requests of ${sessions.length} sessions, as receipts tell them`,
    *sessions() {
      yield* sessions;
    },
  };
}

interface Draft {
  readonly first: ReplayedRequest;
  readonly turns: TurnPlan[];
  last: ReplayedRequest;
}

function sessionsOf(requests: readonly ReplayedRequest[]): readonly SessionPlan[] {
  const tree = new PromptTree();
  const drafts = new Map<string, Draft>();
  for (const request of requests) {
    const draft = drafts.get(request.session);
    const turn = turnOf(request, tree, draft?.last);
    if (draft === undefined) {
      drafts.set(request.session, { first: request, turns: [turn], last: request });
    } else {
      draft.turns.push(turn);
      draft.last = request;
    }
  }
  const startMs = requests[0]?.arrivedAtMs ?? 0;
  return [...drafts.values()].map(({ first, turns }) => ({
    id: idOf(first, drafts),
    tenant: first.tenant,
    sloClass: classOf[first.lane] ?? "agent",
    startMs: first.arrivedAtMs - startMs,
    turns,
  }));
}

function turnOf(
  request: ReplayedRequest,
  tree: PromptTree,
  before: ReplayedRequest | undefined,
): TurnPlan {
  const { promptTokens, outputTokens, arrivedAtMs } = request;
  return {
    ...tree.plan(request),
    promptTokens,
    outputTokens,
    // Turns that overlapped come one right after the other.
    gapBeforeMs: before === undefined ? 0 : Math.max(0, arrivedAtMs - before.endedAtMs),
    gapKind: gapKindOf(before),
  };
}

function gapKindOf(before: ReplayedRequest | undefined): GapKind {
  if (before === undefined) return "start";
  return before.asksForTools ? "tool" : "human";
}

/** Sub-agents deeper than this have no parent in the replay. */
const depthMax = 8;

/** The session's name, behind those of the sessions that wait for it: so the lab knows parents. */
function idOf(first: ReplayedRequest, drafts: ReadonlyMap<string, Draft>): string {
  const names = [first.session];
  let parent = first.parent === undefined ? undefined : drafts.get(first.parent);
  while (parent !== undefined && names.length < depthMax) {
    if (names.includes(parent.first.session)) break;
    names.unshift(parent.first.session);
    parent = parent.first.parent === undefined ? undefined : drafts.get(parent.first.parent);
  }
  return names.join("/");
}
