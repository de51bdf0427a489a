import { type Clock, timeoutSignal } from "@warmpath/runtime/base";
import { failureOfThrown } from "./failure.ts";
import type { Replica } from "./pool.ts";
import { rankHeader } from "./ranks.ts";
import { headersFor, isVacant } from "./replica.ts";

/** What a canary may cost. */
export interface CanaryLimits {
  /** Longest wait for its one token. */
  readonly canaryTimeoutMs: number;
}

/**
 * Asks a replica for one token: the only proof that its engine works, since an engine that is
 * paused, or about to end, answers its health page as ever. True when it answered anything but an
 * error of its own: a model that generates no text says so at once, and is well.
 */
export async function sendCanary(
  { address, facts }: Replica,
  limits: CanaryLimits,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<boolean> {
  if (isVacant(address)) {
    return false;
  }
  const timeout = timeoutSignal(clock, limits.canaryTimeoutMs);
  const { rank } = address;
  try {
    const response = await fetch(`${address.baseUrl}/v1/completions`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...headersFor(address),
        // Else a rank that is well would answer for one that is not.
        ...(rank === undefined ? {} : { [rankHeader]: String(rank) }),
      },
      body: JSON.stringify({ model: facts.models[0]?.id, prompt: "1", max_tokens: 1 }),
      redirect: "manual",
      keepalive: false,
      signal: AbortSignal.any([timeout.signal, signal]),
    });
    await response.body?.cancel();
    return response.status < 500 && response.status !== 429;
  } catch {
    // Refused, broken or too late: not well, whichever it was.
    return false;
  } finally {
    timeout.cancel();
  }
}

/** Longest wait for the health page of a replica that may be dead: a living one answers at once. */
const healthTimeoutMs = 500;

/** True when nobody answers for the replica any more, or its health page says that it is dead. */
export async function looksDead({ address }: Replica, clock: Clock): Promise<boolean> {
  if (isVacant(address)) {
    return true;
  }
  const timeout = timeoutSignal(clock, healthTimeoutMs);
  try {
    const response = await fetch(`${address.baseUrl}/health`, {
      headers: headersFor(address),
      redirect: "manual",
      keepalive: false,
      signal: timeout.signal,
    });
    await response.body?.cancel();
    return response.status >= 500;
  } catch (error) {
    // Too late is no proof: it may only be slow.
    return failureOfThrown(error).kind === "unreachable";
  } finally {
    timeout.cancel();
  }
}
