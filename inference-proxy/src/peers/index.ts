/** Several proxies before the same replicas: what each has booked, as hints for the others. */
export { type PeerMetrics, peerMetrics } from "./metrics.ts";
export { Outbox } from "./outbox.ts";
export { type Peers, secretName, startPeers } from "./share.ts";
export type { Beat, PeerHome, PeerLimits, PeerLoad } from "./types.ts";
