import { createHistogram, type Histogram } from "../histogram.ts";
import type { Policy, PolicyRun } from "../types.ts";

/** What a router saw of the requests that came in one stretch of time. */
export interface StageRecord {
  readonly requests: number;
  readonly ended: number;
  readonly ttftMs: Histogram;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  /** Answer tokens over the time from the stage's beginning to its last end. */
  readonly outputTokensPerSecond: number;
}

/** A policy that takes notes, and the notes. */
export interface RecordedPolicy {
  readonly policy: Policy;
  /** One for each stage, in order. */
  readonly records: () => readonly StageRecord[];
}

interface Notes {
  /** Requests from here on are the stage's. */
  readonly fromMs: number;
  /** Its first request. */
  startMs: number;
  readonly ttftMs: ReturnType<typeof createHistogram>;
  requests: number;
  ended: number;
  promptTokens: number;
  cachedTokens: number;
  outputTokens: number;
  lastEndMs: number;
}

/**
 * Wraps a policy that never holds, so that one run is told apart by the times at which requests
 * came. Requests before the first stage are not recorded.
 */
export function recordStages(policy: Policy, fromMs: readonly number[]): RecordedPolicy {
  const notes = fromMs.map(
    (atMs): Notes => ({
      fromMs: atMs,
      startMs: Number.POSITIVE_INFINITY,
      ttftMs: createHistogram(),
      requests: 0,
      ended: 0,
      promptTokens: 0,
      cachedTokens: 0,
      outputTokens: 0,
      lastEndMs: 0,
    }),
  );
  return {
    policy: { ...policy, start: (context) => noting(policy.start(context), notes) },
    records: () => notes.map(recordOf),
  };
}

function noting(run: PolicyRun, notes: readonly Notes[]): PolicyRun {
  const sent = new Map<number, { readonly atMs: number; readonly its: Notes }>();
  return {
    ...run,
    place(request, replicas, nowMs) {
      const chosen = run.place(request, replicas, nowMs);
      const its = notes.findLast((stage) => stage.fromMs <= nowMs);
      if (chosen === "hold" || its === undefined) return chosen;
      its.requests += 1;
      its.startMs = Math.min(its.startMs, nowMs);
      sent.set(request.id, { atMs: nowMs, its });
      return chosen;
    },
    onFirstToken(requestId, nowMs) {
      run.onFirstToken?.(requestId, nowMs);
      const found = sent.get(requestId);
      if (found !== undefined) found.its.ttftMs.add(nowMs - found.atMs);
    },
    onEnded(requestId, nowMs, usage) {
      run.onEnded?.(requestId, nowMs, usage);
      const its = sent.get(requestId)?.its;
      sent.delete(requestId);
      if (its === undefined || usage === undefined) return;
      its.ended += 1;
      its.promptTokens += usage.promptTokens;
      its.cachedTokens += usage.cachedTokens;
      its.outputTokens += usage.outputTokens;
      its.lastEndMs = nowMs;
    },
  };
}

function recordOf(notes: Notes): StageRecord {
  const { requests, ended, promptTokens, cachedTokens, outputTokens, startMs, lastEndMs } = notes;
  return {
    requests,
    ended,
    ttftMs: notes.ttftMs.build(),
    promptTokens,
    cachedTokens,
    outputTokensPerSecond: (outputTokens * 1000) / Math.max(1, lastEndMs - startMs),
  };
}
