import { type Clock, type Logger, WarmpathError } from "@warmpath/runtime/base";
import type { InferenceProxyMetrics } from "../metrics.ts";
import { type PoisonMemory, type Quarantine, SuspectExclusion } from "../poison/index.ts";
import { looksDead } from "../upstream/canary.ts";
import type { Pool } from "../upstream/pool.ts";
import { bytesOf } from "../upstream/request-body.ts";
import type { Watchdog } from "../upstream/watchdog.ts";
import { type Seat, unserved } from "./placement.ts";
import type { CallRequest } from "./types.ts";

/*
 * An engine dies with many requests in flight, and one of them may be why. Each is retried once,
 * one suspect at a time on a replica, until its first event clears it. The one under which a second
 * engine dies is refused and remembered; those beside it had their first death, and move on.
 */

/** What suspects need of the process. */
export interface SuspectMeans {
  readonly quarantine: Quarantine;
  readonly poison: PoisonMemory;
  readonly pool: Pool;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: InferenceProxyMetrics;
  readonly attempt: { readonly watchdog: Watchdog };
  readonly limits: { readonly suspectWaitMsMax: number };
}

/** A suspect's place. */
export interface SuspectSeat {
  readonly seat: Seat | undefined;
  /** True when no other suspect is there: a death now names this one. */
  readonly isAlone: boolean;
  /** Its first event has cleared it, or it has failed. */
  clear(): void;
}

/**
 * Places a suspect where no other is, after its turn. One that has waited for the longest time goes
 * with others: most engines die of something else than a request.
 */
export async function placeSuspect(
  means: SuspectMeans,
  request: CallRequest,
  failed: ReadonlySet<string>,
  place: (excluded: ReadonlySet<string>) => Promise<Seat | undefined>,
): Promise<SuspectSeat> {
  const { quarantine, clock, limits } = means;
  const untilMs = clock.monotonicMs() + limits.suspectWaitMsMax;
  const excluded = new SuspectExclusion(failed, quarantine.occupied);
  while (clock.monotonicMs() < untilMs) {
    const seat = await place(excluded);
    if (seat === undefined && ![...quarantine.occupied].some((name) => !failed.has(name))) {
      break;
    }
    const entered = seat === undefined ? undefined : quarantine.enter(seat.endpoint);
    if (entered !== undefined) {
      return { seat, isAlone: true, clear: entered.leave };
    }
    // Another suspect was placed there while this one's seat was on its way.
    seat?.release(unserved);
    await waitForTurn(means, request, untilMs);
  }
  return { seat: await place(failed), isAlone: false, clear: () => {} };
}

async function waitForTurn(
  { quarantine, attempt, clock }: SuspectMeans,
  { signal }: CallRequest,
  untilMs: number,
): Promise<void> {
  signal.throwIfAborted();
  const turn = quarantine.turn();
  const watch = attempt.watchdog.watch(untilMs - clock.monotonicMs(), turn.callOff);
  signal.addEventListener("abort", turn.callOff, { once: true });
  await turn.left;
  watch.stop();
  signal.removeEventListener("abort", turn.callOff);
  signal.throwIfAborted();
}

/**
 * Engines that died under this very request before, as far as it is remembered: a caller who tries
 * again brings the same suspicion back. Throws when it is proven.
 */
export function deathsBefore(
  { poison, metrics }: Pick<SuspectMeans, "poison" | "metrics">,
  request: CallRequest,
): 0 | 1 {
  const guilt = poison.isInUse
    ? poison.guiltOf(request.caller.tenant, identityOf(request))
    : undefined;
  if (guilt === "proven") {
    metrics.poisonRefused.inc({ reason: "known" });
    throw new WarmpathError("rejected-poison", refusal);
  }
  return guilt === undefined ? 0 : 1;
}

/** An engine died under it, perhaps of something else. */
export function suspect({ poison }: Pick<SuspectMeans, "poison">, request: CallRequest): void {
  const { tenant } = request.caller;
  const identity = identityOf(request);
  if (poison.guiltOf(tenant, identity) !== "proven") {
    poison.remember(tenant, identity, "suspect");
  }
}

/** Another engine has begun to answer it. */
export function absolve({ poison }: Pick<SuspectMeans, "poison">, request: CallRequest): void {
  poison.clear(request.caller.tenant, identityOf(request));
}

/**
 * A second engine died under a request that was alone under suspicion: it is remembered, unless the
 * engine turns out to live and only a connection broke. The error to refuse it with, or undefined
 * where nothing is proven.
 */
export async function namePoison(
  means: SuspectMeans,
  request: CallRequest,
  replicaName: string,
): Promise<WarmpathError | undefined> {
  const replica = means.pool.find(replicaName);
  if (replica === undefined || !(await looksDead(replica, means.clock))) {
    return undefined;
  }
  means.poison.remember(request.caller.tenant, identityOf(request), "proven");
  means.metrics.poisonRefused.inc({ reason: "named" });
  means.log.error("request ended two engines and is refused from now on", {
    request_id: request.requestId,
    tenant: request.caller.tenant,
    key_id: request.caller.keyId,
    model: request.model,
    replica: replicaName,
  });
  return new WarmpathError("rejected-poison", refusal);
}

const refusal =
  "The engines of two replicas ended while they worked on this request; it is not tried again. Change it, or ask the operator.";

/** All that an engine sees of a request but its ids and salts: the prompt, and how to sample. */
function identityOf(request: CallRequest): string {
  return `${request.path} ${Bun.hash.xxHash64(bytesOf(request.bodyFor("openai"))).toString(36)}`;
}
