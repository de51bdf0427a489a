import type { Logger } from "@warmpath/runtime/base";
import type { Breakers, Failure } from "../breakers/index.ts";
import type { TokenRatios } from "../learn/index.ts";
import type { InferenceProxyMetrics } from "../metrics.ts";
import type { AttemptFailure, FailureKind } from "../upstream/failure.ts";
import type { Attempt } from "../upstream/open.ts";
import type { Pool, Replica } from "../upstream/pool.ts";
import type { CallRequest } from "./types.ts";

/** What hears of attempts. */
export interface NoteMeans {
  readonly log: Logger;
  readonly metrics: InferenceProxyMetrics;
  readonly pool: Pool;
  readonly breakers: Pick<Breakers, "note">;
  readonly ratios: Pick<TokenRatios, "estimate">;
}

type NotedRequest = Pick<CallRequest, "requestId" | "model" | "bodyBytes">;

/**
 * First events are compared as if every prompt had as many tokens: else a long prompt would look
 * like a slow replica.
 */
const promptTokensCompared = 1024;

/** What a failed attempt throws a shadow on. */
const shadows: Readonly<Record<FailureKind, Failure["scope"]>> = {
  unreachable: "replica",
  busy: "model",
  leaving: "gone",
  died: "replica",
  failed: "model",
  garbled: "model",
  timeout: "model",
  refused: "model",
};

/** Counts an attempt that opened or failed, and tells the replica's breakers. */
export function noteAttempt(
  means: NoteMeans,
  request: NotedRequest,
  tried: {
    readonly replica: Replica;
    readonly sentAtMs: number;
    /** When it opened or failed. */
    readonly answeredAtMs: number;
    readonly attempt: Attempt;
  },
): void {
  const { sentAtMs, answeredAtMs, attempt } = tried;
  const { name: replica } = tried.replica.address;
  if (attempt.kind !== "failed") {
    const outcome = attempt.kind === "fault" ? "fault" : "opened";
    means.metrics.attempts.inc({ replica, outcome });
    const { model, bodyBytes } = request;
    const scale =
      promptTokensCompared / (promptTokensCompared + means.ratios.estimate(model, bodyBytes));
    // The first event of a whole answer is its end, and says nothing about the replica's pace.
    const firstEventMs = attempt.kind === "stream" ? (answeredAtMs - sentAtMs) * scale : undefined;
    means.breakers.note({ replica, model, sentAtMs, failure: undefined, firstEventMs });
    return;
  }
  noteFailure(means, request, { replica: tried.replica, sentAtMs, failure: attempt.failure });
}

function noteFailure(
  means: NoteMeans,
  request: NotedRequest,
  tried: {
    readonly replica: Replica;
    readonly sentAtMs: number;
    readonly failure: AttemptFailure;
  },
): void {
  const { sentAtMs, failure } = tried;
  const { address } = tried.replica;
  const { name: replica } = address;
  means.metrics.attempts.inc({ replica, outcome: failure.kind });
  means.log.warn("upstream attempt failed", {
    request_id: request.requestId,
    replica,
    kind: failure.kind,
    detail: failure.message,
  });
  if (means.pool.find(replica)?.address !== address) {
    // Another pod has the place since: what befell the one before is none of its doing.
    return;
  }
  if (failure.kind === "unreachable") {
    // The next requests need not find out for themselves; the next good probe brings it back.
    means.pool.update(replica, { healthy: false, unhealthyReason: failure.message });
  }
  means.breakers.note({
    replica,
    model: request.model,
    sentAtMs,
    failure: { scope: shadows[failure.kind], kind: failure.kind },
    firstEventMs: undefined,
  });
}

/** Tells the breakers of an answer that began well and was cut. */
export function noteCut(
  { breakers }: Pick<NoteMeans, "breakers">,
  { model }: CallRequest,
  { replica, sentAtMs }: { readonly replica: Replica; readonly sentAtMs: number },
): void {
  const failure = { scope: "model", kind: "cut" } as const;
  breakers.note({
    replica: replica.address.name,
    model,
    sentAtMs,
    failure,
    firstEventMs: undefined,
  });
}
