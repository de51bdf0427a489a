import type { Counter, Gauge, Metrics } from "@warmpath/runtime";

/** What is counted of the other proxies. */
export interface PeerMetrics {
  readonly beats: Counter<"result">;
  readonly homes: Counter<"result">;
  readonly peers: Gauge;
  readonly inFlightElsewhere: Gauge<"replica">;
}

/** Defines them. */
export function peerMetrics(metrics: Metrics): { readonly peers: PeerMetrics } {
  return {
    peers: {
      beats: metrics.counter({
        name: "warmpath_inference_proxy_peer_beats_total",
        help: "Beats of proxies that share bookings, by what became of them (sent, taken; late, crowded or malformed ones are passed over).",
        labels: ["result"],
      }),
      homes: metrics.counter({
        name: "warmpath_inference_proxy_peer_homes_total",
        help: "Homes of sessions in beats (sent, taken, or dropped for want of room).",
        labels: ["result"],
      }),
      peers: metrics.gauge({
        name: "warmpath_inference_proxy_peers",
        help: "Other proxies whose bookings are counted now.",
      }),
      inFlightElsewhere: metrics.gauge({
        name: "warmpath_inference_proxy_replica_in_flight_elsewhere",
        help: "Requests of other proxies at a replica, as they last said.",
        labels: ["replica"],
      }),
    },
  };
}
