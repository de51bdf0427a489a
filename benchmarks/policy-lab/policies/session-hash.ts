import type { Policy } from "../types.ts";
import { hashText, rendezvous } from "./shared/rendezvous.ts";

/** All turns of a session on one replica, wherever its id hashes to; load plays no part. */
export const sessionHash: Policy = {
  name: "session-hash",
  source:
    "vllm-project/router src/policies/rendezvous_hash.rs with X-Session-ID as the key; " +
    "Thaler and Ravishankar, IEEE/ACM ToN 6(1), 1998",
  about: "Rendezvous hash of the session id: sticky, blind to load and to shared prefixes.",
  start: () => ({
    place: ({ sessionId }, replicas) => rendezvous(hashText(sessionId), replicas),
  }),
};
