import type { Attempt, AttemptMeans, AttemptRequest } from "./attempt.ts";
import { openOverFetch } from "./open-over-fetch.ts";
import { openOverSockets } from "./open-over-sockets.ts";
import type { ReplicaAddress } from "./replica.ts";

/*
 * One try of one upstream. The head of a stream proves nothing (vLLM sends 200 before it queues the
 * request), so it is held until the first event; until then every failure can still be retried
 * elsewhere.
 */

export type {
  Attempt,
  AttemptLimits,
  AttemptMeans,
  AttemptRequest,
  OpenStream,
  ServingPath,
  StreamSink,
} from "./attempt.ts";

/**
 * Sends the request and waits for its first event, or for the whole answer. Rejects only when the
 * caller left. Plain HTTP goes over sockets of our own, TLS over `fetch`.
 */
export function openAttempt(
  means: AttemptMeans,
  address: ReplicaAddress,
  request: AttemptRequest,
): Promise<Attempt> {
  const { signal, vigil } = request;
  if (signal.aborted) {
    // It left between two paths of one try: the signal does not say so again.
    vigil.end();
    return Promise.reject(signal.reason);
  }
  const { origin } = address;
  return origin === undefined
    ? openOverFetch(means, address, request)
    : openOverSockets(means, address, origin, request);
}
