import { type Clock, systemClock } from "../base/index.ts";
import { createPrincipalSigner, type Principal, type PrincipalSigner } from "../principal.ts";

/** A real signer with a key that is no secret. */
export function createTestSigner(clock: Clock = systemClock): PrincipalSigner {
  return createPrincipalSigner(["a-signing-key-for-tests"], clock);
}

/** A principal to act as; give what matters to the test. */
export function testPrincipal(given: Partial<Principal> = {}): Principal {
  return { tenant: "acme", user: "alice", keyId: "key_test", agentChain: [], ...given };
}
