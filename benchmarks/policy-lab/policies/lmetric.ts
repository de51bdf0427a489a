import { CacheIndex } from "@warmpath/inference-proxy/policy";
import type { Policy } from "../types.ts";
import { applyCacheEvents } from "./shared/apply-cache-events.ts";
import { cheapest } from "./shared/choose.ts";
import { InFlight } from "./shared/in-flight.ts";

/**
 * Prefill work the replica would have × requests it would have; no weights. The product says
 * nothing where a factor is zero (an idle replica would tie with every other idle one, warm or
 * cold), so both factors include the request itself: its own uncached tokens, never below one since
 * the engine recomputes the last token, and its own place in the batch (as Dynamo's `lmetric`
 * counts). Products that are still equal go to the smaller batch, then by dice. The paper's
 * detector of prefix hot spots, which it reports to be needed very rarely, is left out.
 */
export const lmetric: Policy = {
  name: "lmetric",
  source:
    "LMetric (OSDI'26, arXiv 2603.15202): new prefill tokens × batch size; " +
    "ai-dynamo/dynamo lib/kv-router for the +1",
  about: "Uncached prefill tokens × requests in flight, from KV events and the router's own count.",
  start: ({ replicas: count, blocks, random }) => {
    const inFlight = new InFlight(count);
    const index = new CacheIndex(blocks);
    const depths = new Int32Array(count);
    return {
      place(request, replicas) {
        const { chain, promptTokens } = request;
        const full = Math.floor((promptTokens - 1) / chain.blockTokens);
        index.writeDepths((block) => chain.key(block), full, depths);
        const uncached = (replica: number) => promptTokens - depths[replica]! * chain.blockTokens;
        const chosen = cheapest(replicas, random, (replica) => {
          const batch = inFlight.requests[replica]! + 1;
          const product = (inFlight.prefillTokens[replica]! + uncached(replica)) * batch;
          // Products are whole numbers: a fraction below 1 only decides between equal ones.
          return product + batch / (batch + 1);
        });
        if (chosen !== "hold") inFlight.placed(request, chosen, uncached(chosen));
        return chosen;
      },
      onFirstToken: (requestId) => inFlight.firstToken(requestId),
      onEnded: (requestId) => void inFlight.ended(requestId),
      onCacheEvents: (replica, events) => applyCacheEvents(index, replica, events),
      onReplicaLost: (replica) => index.clear(replica),
    };
  },
};
