import type { Clock } from "@warmpath/runtime/base";
import {
  type HeadFields,
  type ProviderKind,
  type ProviderReading,
  readProviderHeaders,
  retryAfterMsOf,
} from "./provider-headers.ts";

/*
 * Limits that an upstream holds us to, as its answers tell of them. Sends are spread so that what
 * is left lasts until the limit is whole again: a bucket emptied at once only buys a wait.
 */

/** What one request takes from an upstream's limits. */
export interface ProviderNeed {
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** What is known of the limits of all upstreams. */
export interface ProviderMirror {
  /** False until some upstream has said something: then nothing below is worth a call. */
  readonly isActive: boolean;
  /** How long such a request has to stay away, in ms; 0: it may be sent now. */
  waitMs(upstream: string, need: ProviderNeed): number;
  /**
   * A request goes out: it counts until its answer says what is left. False where nothing is known
   * of the upstream: then it is not counted, whatever becomes known before its end.
   */
  send(upstream: string, need: ProviderNeed): boolean;
  /** The request of an earlier `send` that counted was answered, or never will be. */
  done(upstream: string, need: ProviderNeed): void;
  /**
   * Takes in the head of an answer; `need` is that of its request, where its `send` counted and
   * `done` has not been called yet. 429 with a time closes the upstream until then.
   */
  hear(upstream: string, status: number, fields: HeadFields, need?: ProviderNeed): void;
}

interface Mirrored {
  limit: number | undefined;
  left: number;
  resetAtMs: number;
  /** Up to when the units sent so far fill the time until the reset. */
  paidUntilMs: number;
}

interface Upstream {
  readonly limits: Map<ProviderKind, Mirrored>;
  closedUntilMs: number;
  /** Sent, and not answered yet: what the provider says is left may or may not count it. */
  readonly unanswered: Record<ProviderKind, number>;
}

const tooManyRequests = 429;
/** Units may be sent ahead of the pace for this part of the time that is left ... */
const aheadShare = 0.1;
/** ... and for at least as long as it takes to notice that the pace allows more. */
const aheadMsMin = 250;
/** A provider that asks for more than this is asked again after it. */
const closedMsMax = 3_600_000;

/** Keeps a mirror for each upstream that speaks of limits; upstreams come from configuration. */
export function createProviderMirror({ clock }: { readonly clock: Clock }): ProviderMirror {
  const upstreams = new Map<string, Upstream>();
  const open = (name: string): Upstream => {
    const upstream = upstreams.get(name) ?? {
      limits: new Map(),
      closedUntilMs: Number.NEGATIVE_INFINITY,
      unanswered: { requests: 0, tokens: 0, "input-tokens": 0, "output-tokens": 0 },
    };
    upstreams.set(name, upstream);
    return upstream;
  };

  return {
    get isActive() {
      return upstreams.size > 0;
    },
    waitMs: (name, need) => {
      const upstream = upstreams.get(name);
      if (upstream === undefined) {
        return 0;
      }
      const nowMs = clock.monotonicMs();
      let waitMs = Math.max(0, upstream.closedUntilMs - nowMs);
      for (const [kind, mirrored] of upstream.limits) {
        const units = unitsOf(kind, need);
        waitMs = Math.max(waitMs, paceWaitMs(mirrored, units, nowMs, upstream.unanswered[kind]));
      }
      return Math.ceil(waitMs);
    },
    send: (name, need) => {
      const upstream = upstreams.get(name);
      if (upstream === undefined) {
        return false;
      }
      const nowMs = clock.monotonicMs();
      addTo(upstream, need, 1);
      for (const [kind, mirrored] of upstream.limits) {
        pay(mirrored, unitsOf(kind, need), nowMs);
      }
      return true;
    },
    done: (name, need) => {
      const upstream = upstreams.get(name);
      if (upstream !== undefined) {
        addTo(upstream, need, -1);
      }
    },
    hear: (name, status, fields, need) => {
      const nowMs = clock.monotonicMs();
      const wallMs = clock.nowMs();
      const readings = readProviderHeaders(fields, wallMs);
      if (readings.length > 0) {
        const upstream = open(name);
        for (const reading of readings) {
          const others =
            upstream.unanswered[reading.kind] -
            (need === undefined ? 0 : unitsOf(reading.kind, need));
          correct(upstream.limits, reading, { nowMs, others: Math.max(0, others) });
        }
      }
      if (status === tooManyRequests) {
        const retryAfterMs = retryAfterMsOf(fields, wallMs);
        if (retryAfterMs !== undefined) {
          open(name).closedUntilMs = nowMs + Math.min(retryAfterMs, closedMsMax);
        }
      }
    },
  };
}

function unitsOf(kind: ProviderKind, { inputTokens, outputTokens }: ProviderNeed): number {
  switch (kind) {
    case "requests":
      return 1;
    case "tokens":
      return inputTokens + outputTokens;
    case "input-tokens":
      return inputTokens;
    case "output-tokens":
      return outputTokens;
  }
}

function addTo({ unanswered }: Upstream, need: ProviderNeed, sign: 1 | -1): void {
  for (const kind of Object.keys(unanswered) as ProviderKind[]) {
    unanswered[kind] = Math.max(0, unanswered[kind] + sign * unitsOf(kind, need));
  }
}

/** What the provider says leads; what went out since is not in it yet. */
function correct(
  limits: Map<ProviderKind, Mirrored>,
  { kind, limit, remaining, resetMs }: ProviderReading,
  { nowMs, others }: { readonly nowMs: number; readonly others: number },
): void {
  const mirrored = limits.get(kind) ?? { limit, left: 0, resetAtMs: 0, paidUntilMs: nowMs };
  limits.set(kind, mirrored);
  mirrored.limit = limit;
  mirrored.left = remaining - others;
  mirrored.resetAtMs = nowMs + resetMs;
}

/** After its reset a limit is whole, until the next answer says more. */
function renew(mirrored: Mirrored, nowMs: number): boolean {
  if (nowMs < mirrored.resetAtMs) {
    return false;
  }
  mirrored.left = mirrored.limit ?? Number.POSITIVE_INFINITY;
  return true;
}

function paceWaitMs(mirrored: Mirrored, units: number, nowMs: number, unanswered: number): number {
  if (units === 0) {
    return 0;
  }
  const needed = Math.min(units, mirrored.limit ?? units);
  if (renew(mirrored, nowMs)) {
    // Until an answer tells of the new window, no more is under way than the limit has.
    return unanswered === 0 || mirrored.left - unanswered >= needed ? 0 : aheadMsMin;
  }
  const untilResetMs = mirrored.resetAtMs - nowMs;
  if (mirrored.left < needed) {
    return untilResetMs;
  }
  const aheadMs = Math.max(aheadMsMin, aheadShare * untilResetMs);
  return Math.min(untilResetMs, Math.max(0, mirrored.paidUntilMs - aheadMs - nowMs));
}

/** Each unit takes its part of the time until the reset. */
function pay(mirrored: Mirrored, units: number, nowMs: number): void {
  if (renew(mirrored, nowMs)) {
    mirrored.left -= units;
    return;
  }
  const untilResetMs = mirrored.resetAtMs - nowMs;
  const perUnitMs = untilResetMs / Math.max(units, mirrored.left, 1);
  mirrored.paidUntilMs = Math.max(mirrored.paidUntilMs, nowMs) + units * perUnitMs;
  mirrored.left -= units;
}
