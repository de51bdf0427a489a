import type { Policy, PolicyContext, PolicyRun, ReplicaView, RoutedRequest } from "../types.ts";
import { DynamoCost, dynamoDefaults } from "./shared/dynamo-cost.ts";
import { type Program, type ProgramOptions, ProgramTable } from "./shared/program-table.ts";

// Defaults of components/src/dynamo/thunderagent_router/router.py.
const thunderAgentDefaults: ProgramOptions = {
  pauseThreshold: 0.95,
  pauseTarget: 0.8,
  resumeHysteresis: 0.1,
  actingDecayTauMs: 1000,
  bufferTokens: 100,
  idleTtlMs: 600_000,
};
const tickMs = 5000;
/** A turn that waited for so long goes wherever most room is. */
const resumeTimeoutMs = 1_800_000;

/**
 * Sessions are admitted, pinned to a replica, paused between turns when their tokens exceed 95 % of
 * its KV cache, and resumed as others end; a turn without a pin is placed by Dynamo's cost. A
 * program is a session here, subagents included. Left out, as it needs priorities in the engine:
 * the soft demotion between 80 % and 95 %. Prompt tokens are counted per session, shared prefixes
 * included, as published.
 */
export const thunderAgent: Policy = {
  name: "thunder-agent",
  source:
    "ThunderAgent (arXiv 2602.13692) as ported to Dynamo: " +
    "components/src/dynamo/thunderagent_router/router.py, defaults 0.95 / 0.80 / 0.10, 5 s tick",
  about: "Admits whole sessions so that their tokens fit the KV cache; pauses them between turns.",
  start: startThunderAgent,
};

function startThunderAgent(context: PolicyContext): PolicyRun {
  const capacity = context.blocks.map((blocks) => blocks * context.blockTokens);
  const table = new ProgramTable(capacity, thunderAgentDefaults);
  const cost = new DynamoCost(context, dynamoDefaults);
  const programOf = new Map<number, Program>();
  let live: readonly number[] = [];
  let tickAtMs = tickMs;

  const tick = (nowMs: number) => {
    if (nowMs < tickAtMs) return;
    table.tick(live, nowMs);
    tickAtMs = nowMs + tickMs;
  };
  const send = (request: RoutedRequest, replicas: readonly ReplicaView[], program: Program) => {
    const pinned = program.replica;
    const isLive = pinned !== undefined && replicas[pinned]?.healthy === true;
    const chosen = isLive ? pinned : cost.choose(request, replicas);
    if (chosen === "hold") return chosen;
    program.replica = chosen;
    programOf.set(request.id, program);
    cost.book(request, chosen);
    return chosen;
  };
  return {
    place(request, replicas, nowMs) {
      const known = table.get(request.sessionId);
      const isReask = known?.requestId === request.id;
      const waitedMs = isReask && known.isPaused ? nowMs - known.sinceMs : resumeTimeoutMs;
      // Everybody who waits is asked again at every change: most of them learn nothing.
      if (nowMs < tickAtMs && waitedMs < resumeTimeoutMs) return "hold";
      live = replicas.filter(({ healthy }) => healthy).map(({ index }) => index);
      tick(nowMs);
      const program = known ?? table.create(request.sessionId);
      if (!isReask) beginTurn(table, program, request, live, nowMs);
      if (program.isPaused && nowMs - program.sinceMs >= resumeTimeoutMs) {
        table.resume(program, table.roomiest(live, nowMs));
      }
      return program.isPaused ? "hold" : send(request, replicas, program);
    },
    onFirstToken: (requestId) => cost.onFirstToken(requestId),
    onEnded(requestId, nowMs, usage) {
      cost.onEnded(requestId);
      const program = programOf.get(requestId);
      programOf.delete(requestId);
      if (program?.requestId === requestId) {
        program.requestId = undefined;
        program.status = "acting";
        program.sinceMs = nowMs;
        if (usage !== undefined) program.tokens = usage.promptTokens + usage.outputTokens;
        if (program.isMarked) table.pause(program);
      }
      tick(nowMs);
    },
    onSessionEnded: (sessionId) => table.release(sessionId),
    onCacheEvents: (replica, events) => cost.onCacheEvents(replica, events),
    onReplicaLost(replica) {
      cost.onReplicaLost(replica);
      table.unplace(replica);
    },
  };
}

/** A turn arrives: it runs where its program is, or finds it a place, or waits. */
function beginTurn(
  table: ProgramTable,
  program: Program,
  request: RoutedRequest,
  live: readonly number[],
  nowMs: number,
): void {
  program.requestId = request.id;
  program.status = "reasoning";
  program.sinceMs = nowMs;
  program.turns += 1;
  program.tokens = request.promptTokens;
  if (program.isPaused) return;
  if (program.replica !== undefined && live.includes(program.replica)) return;
  program.replica = table.placeFor(program, live, nowMs);
  // Whoever is running already is sent on without a pin rather than parked.
  if (program.replica === undefined && program.turns <= 1) table.pause(program);
}
