import type { Policy, PolicyContext, PolicyRun } from "../types.ts";
import { DynamoCost, type DynamoOptions, dynamoDefaults } from "./shared/dynamo-cost.ts";

/**
 * Dynamo's KV router with events on and everything else at its default: no queue, no prediction on
 * route, no tracking of output blocks.
 */
export const dynamo: Policy = {
  name: "dynamo",
  source:
    "ai-dynamo/dynamo 1.5.1 lib/kv-router/src/scheduling/selector/default.rs, " +
    "overlap credit 1, prefill load scale 1, temperature 0",
  about: "Uncached prefill blocks + active decode blocks, booked at the decision, from KV events.",
  start: (context) => startDynamo(context, dynamoDefaults),
};

/** The router with other parameters, for tests and sweeps. */
export function startDynamo(context: PolicyContext, options: DynamoOptions): PolicyRun {
  const cost = new DynamoCost(context, options);
  return {
    place(request, replicas) {
      const chosen = cost.choose(request, replicas);
      if (chosen !== "hold") cost.book(request, chosen);
      return chosen;
    },
    onFirstToken: (requestId) => cost.onFirstToken(requestId),
    onEnded: (requestId) => cost.onEnded(requestId),
    onCacheEvents: (replica, events) => cost.onCacheEvents(replica, events),
    onReplicaLost: (replica) => cost.onReplicaLost(replica),
  };
}
