import type { Policy } from "../types.ts";
import { cheapest } from "./shared/choose.ts";
import { InFlight } from "./shared/in-flight.ts";

/**
 * Fewest requests in flight. The definition leaves two things open; chosen here: in flight is what
 * this router sent and has not seen end (so it is never stale), and equals are chosen by dice (so
 * an idle fleet does not fill from one end).
 */
export const leastLoaded: Policy = {
  name: "least-loaded",
  source: "nginx 1.28, ngx_http_upstream_module, least_conn; HAProxy 3.2, balance leastconn",
  about: "The replica with the fewest requests in flight, as the router itself counts them.",
  start: ({ replicas: count, random }) => {
    const inFlight = new InFlight(count);
    return {
      place(request, replicas) {
        const chosen = cheapest(replicas, random, (replica) => inFlight.requests[replica]!);
        if (chosen !== "hold") inFlight.placed(request, chosen, 0);
        return chosen;
      },
      onEnded: (requestId) => void inFlight.ended(requestId),
    };
  },
};
