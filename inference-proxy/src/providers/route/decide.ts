import type { ModelState, Route, RouteRule, RouteStep, RouteView } from "./types.ts";

/**
 * The order in which a rule's models are tried now: rank by rank, in a rank the cheapest with room
 * first. A model without room is waited for until it has been so for `overflowWaitMs`; after all
 * others comes the queue of the first choice. `home` is where the session's last turn was: it comes
 * first while it has room. Pure.
 */
export function decideRoute(
  { name, ranks }: RouteRule,
  view: RouteView,
  home?: string | undefined,
): Route {
  const steps: RouteStep[] = [];
  const passed: string[] = [];
  for (const rank of ranks) {
    const states = rank.map((model) => ({ model, state: view.stateOf(model) }));
    const free = states
      .filter(({ state }) => state.room === "free")
      .sort((one, other) => view.priceOf(one.model) - view.priceOf(other.model));
    for (const { model } of free) {
      steps.push(freeStep(model, { passed, isAlone: rank.length === 1, view }));
    }
    for (const { model, state } of states) {
      if (state.room !== "free") {
        const said = sentenceOf(model, state);
        const leftMs = view.overflowWaitMs - state.blockedMs;
        if (leftMs > 0 && state.room !== "unknown") {
          steps.push({ model, waitMs: leftMs, kind: "wait", reason: said });
        }
        passed.push(said);
      }
    }
  }
  const settled = home === undefined ? steps : atHome(steps, home);
  return { rule: name, steps: withQueue(settled, ranks, { passed, view }) };
}

/** The same steps, the one at the session's model first if that has room. */
function atHome(steps: readonly RouteStep[], home: string): readonly RouteStep[] {
  const at = steps.findIndex(({ model, kind }) => model === home && kind !== "wait");
  const step = steps[at];
  if (step === undefined || at === 0) {
    return steps;
  }
  const stay: RouteStep = { ...step, kind: "stay", reason: "its session is there" };
  return [stay, ...steps.slice(0, at), ...steps.slice(at + 1)];
}

function freeStep(
  model: string,
  at: { readonly passed: readonly string[]; readonly isAlone: boolean; readonly view: RouteView },
): RouteStep {
  const { passed, isAlone, view } = at;
  const waitMs = view.overflowWaitMs;
  if (passed.length > 0) {
    return { model, waitMs, kind: "overflow", reason: passed.join(", ") };
  }
  return isAlone
    ? { model, waitMs, kind: "first", reason: "it has room" }
    : { model, waitMs, kind: "cheapest", reason: "the cheapest with room" };
}

/** A place in the queue of the best model that anybody serves comes last, and is waited for. */
function withQueue(
  steps: readonly RouteStep[],
  ranks: RouteRule["ranks"],
  { passed, view }: { readonly passed: readonly string[]; readonly view: RouteView },
): readonly RouteStep[] {
  const models = ranks.flat();
  const served = models.find((model) => view.stateOf(model).room !== "unknown");
  const model = served ?? models[0] ?? "";
  const [only] = steps;
  if (steps.length === 1 && only?.model === model) {
    return [{ ...only, waitMs: undefined }];
  }
  const reason = passed.length === 0 ? "nothing else had a place" : passed.join(", ");
  return [...steps, { model, waitMs: undefined, kind: "queue", reason }];
}

function sentenceOf(model: string, { room, blockedMs }: ModelState): string {
  return room === "unknown"
    ? `nobody serves ${model}`
    : `${model} is ${room} for ${Math.round(blockedMs)} ms`;
}
