import type { Segment } from "../../workloads/types.ts";
import { createChainSpace } from "../chain-space.ts";
import { createEngine } from "../engine.ts";
import { llama8bH100 } from "../profiles.ts";
import type { EngineObserver } from "../types.ts";

/** How fast the model ran, on one core. */
export interface Speed {
  readonly load: string;
  /** Tokens of answers. */
  readonly tokens: number;
  readonly steps: number;
  readonly cpuMs: number;
  readonly tokensPerSecond: number;
  /** Virtual time over CPU time. */
  readonly timesRealTime: number;
}

interface SpeedLoad {
  readonly name: string;
  /** Requests in flight at all times. */
  readonly sessions: number;
  readonly turns: number;
  readonly sharedTokens: number;
  /** Tokens of a session's first prompt after the shared ones, and of each further one. */
  readonly startTokens: number;
  readonly appendTokens: number;
  readonly outputTokens: number;
  readonly isEachTokenTold: boolean;
}

const chat: SpeedLoad = {
  name: "chat: 64 in flight, 600 → 250 tokens",
  sessions: 64,
  turns: 1,
  sharedTokens: 100,
  startTokens: 500,
  appendTokens: 0,
  outputTokens: 250,
  isEachTokenTold: false,
};

/** The loads that speed is measured with. */
export const speedLoads: readonly SpeedLoad[] = [
  chat,
  { ...chat, name: "chat, every token told", isEachTokenTold: true },
  {
    name: "agents: 64 sessions of 20 turns, 4 → 16 k tokens, KV cache too small",
    sessions: 64,
    turns: 20,
    sharedTokens: 3000,
    startTokens: 1000,
    appendTokens: 400,
    outputTokens: 200,
    isEachTokenTold: false,
  },
];

/**
 * Runs a closed loop of sessions, cache events told, until about so many tokens came out. Measured
 * is CPU time, which does not grow because others use the machine.
 */
export function measureSpeed(load: SpeedLoad, tokensWanted: number): Speed {
  const space = createChainSpace();
  const turnsWanted = Math.ceil(tokensWanted / load.outputTokens);
  const histories = new Map<number, Segment[]>();
  let turnsBegun = 0;
  let tokens = 0;
  let steps = 0;
  let nowMs = 0;
  let nextContent = 1;
  const observer: EngineObserver = {
    onEnded(id, atMs) {
      tokens += load.outputTokens;
      nowMs = atMs;
      begin(id % load.sessions, id, atMs);
    },
    onCacheEvents: () => undefined,
    onSteps(record) {
      steps += record.steps;
    },
    ...(load.isEachTokenTold ? { onTokens: () => undefined } : {}),
  };
  const engine = createEngine({ profile: llama8bH100, seed: 1 }, observer);

  function begin(session: number, previousId: number, atMs: number): void {
    if (turnsBegun >= turnsWanted) return;
    turnsBegun += 1;
    const id = previousId + load.sessions;
    const turn = Math.floor(id / load.sessions) % load.turns;
    const history =
      turn === 0 ? [{ content: 0, tokens: load.sharedTokens }] : histories.get(session);
    if (history === undefined) return;
    histories.set(session, history);
    history.push({
      content: nextContent++,
      tokens: turn === 0 ? load.startTokens : load.appendTokens,
    });
    const promptTokens = history.reduce((sum, segment) => sum + segment.tokens, 0);
    history.push({ content: nextContent++, tokens: load.outputTokens });
    const chain = space.chainOf(history);
    engine.add({ id, chain, promptTokens, outputTokens: load.outputTokens }, atMs);
  }

  const before = process.cpuUsage();
  for (let session = 0; session < load.sessions; session++) {
    begin(session, session - load.sessions, 0);
  }
  engine.advance(Number.POSITIVE_INFINITY);
  const { user, system } = process.cpuUsage(before);
  const cpuMs = (user + system) / 1000;
  return {
    load: load.name,
    tokens,
    steps,
    cpuMs,
    tokensPerSecond: (tokens / cpuMs) * 1000,
    timesRealTime: nowMs / cpuMs,
  };
}
