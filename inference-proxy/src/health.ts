import type { KeyService } from "@warmpath/proto/state";
import {
  type Bus,
  createHealth,
  type Health,
  type ServiceClient,
  servicePrincipal,
} from "@warmpath/runtime";
import { type Clock, WarmpathError } from "@warmpath/runtime/base";
import type { Pool } from "./upstream/pool.ts";

/** What a proxy's readiness looks at. */
export interface ProxyHealthDeps {
  readonly clock: Clock;
  readonly pool: Pool;
  readonly keys: ServiceClient<typeof KeyService>;
  readonly bus: Bus;
}

/** The hash of no key. */
const nobodysHash = new Uint8Array(32);

/**
 * Ready means: at least one replica answers and has a model loaded. A server that is up before its
 * weights are, or has none at all, lists no model, and no call could be placed there. Without state
 * the keys that are known go on, without the bus a revoked one goes on until it is asked for anew.
 */
export function createProxyHealth({ clock, pool, keys, bus }: ProxyHealthDeps): Health {
  const health = createHealth({ clock });
  health.check("a replica with its model loaded", async () => {
    const answering = pool.endpoints.filter(({ healthy }) => healthy);
    if (!answering.some(({ models }) => models.size > 0)) {
      const sentence =
        answering.length === 0 ? "no upstream is healthy" : "no upstream has a model loaded";
      throw new WarmpathError("rejected-no-replica", sentence);
    }
  });
  health.checkOptional("state", async (signal) => {
    try {
      const principal = servicePrincipal("inference-proxy");
      await keys.lookUpKey({ secretHash: nobodysHash }, { principal, signal });
    } catch (thrown) {
      // That there is no such key is an answer.
      if (WarmpathError.from(thrown).code !== "not_found") throw thrown;
    }
  });
  health.checkOptional("bus", () => bus.ready());
  return health;
}
