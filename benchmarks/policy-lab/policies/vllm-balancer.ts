import type { Policy } from "../types.ts";
import { cheapest } from "./shared/choose.ts";

/** Weight of a waiting request against a running one. */
const waitingWeight = 4;

/**
 * The balancer inside vLLM's own data-parallel server: what LMetric calls vLLM-v1. Its counts are
 * as old as the lab's scrape; vLLM's are pushed about every 100 ms. Between two readings it adds
 * what it sent itself, as vLLM's does, so that a burst is spread.
 */
export const vllmBalancer: Policy = {
  name: "vllm-balancer",
  source:
    "vLLM V1, vllm/v1/engine/core_client.py (data-parallel load balancing): 4 · waiting + running",
  about: "The least of 4 · waiting + running, as last read, plus what was sent since.",
  start: ({ replicas: count, random }) => {
    const sentSince = new Int32Array(count);
    const runningRead = new Int32Array(count).fill(-1);
    const waitingRead = new Int32Array(count);
    return {
      place(_request, replicas) {
        for (const { index, running, waiting } of replicas) {
          if (runningRead[index] === running && waitingRead[index] === waiting) continue;
          runningRead[index] = running;
          waitingRead[index] = waiting;
          sentSince[index] = 0;
        }
        const chosen = cheapest(replicas, random, (replica) => {
          const { running, waiting } = replicas[replica]!;
          return waitingWeight * (waiting + sentSince[replica]!) + running;
        });
        if (chosen !== "hold") sentSince[chosen]! += 1;
        return chosen;
      },
    };
  },
};
