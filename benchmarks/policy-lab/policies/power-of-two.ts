import type { Policy } from "../types.ts";
import { healthyAt, healthyCount } from "./shared/choose.ts";
import { InFlight } from "./shared/in-flight.ts";

/**
 * Two different healthy replicas by dice, then the one with fewer requests in flight. Load is the
 * router's own count, not the 30 s poll of some implementations: the policy at its best.
 */
export const powerOfTwo: Policy = {
  name: "power-of-two",
  source:
    "Mitzenmacher, The power of two choices (IEEE TPDS 12(10), 2001); " +
    "vllm-project/router src/policies/power_of_two.rs",
  about: "Two replicas by dice, then the one with fewer requests in flight.",
  start: ({ replicas: count, random }) => {
    const inFlight = new InFlight(count);
    return {
      place(request, replicas) {
        const healthy = healthyCount(replicas);
        if (healthy === 0) return "hold";
        const one = Math.floor(random.next() * healthy);
        // Any other: a step of 1 … healthy − 1 around the ring of healthy replicas.
        const step = 1 + Math.floor(random.next() * (healthy - 1));
        const first = healthyAt(replicas, one);
        const second = healthyAt(replicas, healthy === 1 ? one : (one + step) % healthy);
        if (first === "hold" || second === "hold") return "hold";
        const chosen = inFlight.requests[second]! < inFlight.requests[first]! ? second : first;
        inFlight.placed(request, chosen, 0);
        return chosen;
      },
      onEnded: (requestId) => void inFlight.ended(requestId),
    };
  },
};
