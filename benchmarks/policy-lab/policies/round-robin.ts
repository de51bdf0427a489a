import type { Policy } from "../types.ts";

/** Replicas in turn, the unhealthy ones skipped. */
export const roundRobin: Policy = {
  name: "round-robin",
  source: "nginx 1.28, ngx_http_upstream_module, equal weights; Dynamo's default router mode",
  about: "Replicas in turn; knows nothing.",
  start: () => {
    let next = 0;
    return {
      place(_request, replicas) {
        for (let tried = 0; tried < replicas.length; tried++) {
          const replica = replicas[(next + tried) % replicas.length];
          if (!replica?.healthy) continue;
          next = (replica.index + 1) % replicas.length;
          return replica.index;
        }
        return "hold";
      },
    };
  },
};
