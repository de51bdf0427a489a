import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ReplicaSchema } from "@warmpath/proto/inference";
import { assert, WarmpathError } from "@warmpath/runtime/base";
import { type DescribeMeans, describeReplica } from "./describe-replicas.ts";

/** What draining needs beyond the description of what was drained. */
export interface DrainMeans extends DescribeMeans {
  /** Tenants whose keys may change what placement does. */
  readonly operatorTenants: readonly string[];
}

/**
 * `DrainReplica` and `ResumeReplica`: whether a replica is sent anything new. What runs there is
 * left alone, so a session moves where moving it costs least: between two of its turns.
 */
export function setDraining(
  means: DrainMeans,
  change: { readonly replica: string; readonly isDraining: boolean; readonly tenant: string },
): MessageInitShape<typeof ReplicaSchema> {
  const { pool, log } = means.call;
  const { replica: name, isDraining, tenant } = change;
  if (!means.operatorTenants.includes(tenant)) {
    throw new WarmpathError(
      "rejected-permission",
      "Only keys of an operator's tenant may drain replicas.",
    );
  }
  if (pool.find(name) === undefined) {
    throw new WarmpathError("rejected-not-found", `There is no replica "${name}".`);
  }
  pool.hold(name, { isDraining });
  log.info(isDraining ? "replica is drained" : "replica is resumed", { replica: name });
  const replica = pool.find(name);
  assert(replica !== undefined, "replicas do not leave the pool");
  return describeReplica(means, replica);
}
