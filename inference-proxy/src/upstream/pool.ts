import type { Endpoint } from "../pick/index.ts";
import { type ReplicaAddress, type ReplicaFacts, unprobed } from "./replica.ts";

/** One upstream: where it is and what is known of it. */
export interface Replica {
  readonly address: ReplicaAddress;
  readonly facts: ReplicaFacts;
}

/**
 * All upstreams. Facts are replaced whole, so whoever holds a replica or a snapshot sees no half
 * change.
 */
export interface Pool {
  readonly replicas: readonly Replica[];
  /** What placement sees of them, in the same order. */
  readonly endpoints: readonly Endpoint[];
  find(name: string): Replica | undefined;
  /** Takes in what a probe or a failed request found out, and tells the listeners. */
  update(name: string, facts: Partial<ReplicaFacts>): void;
  /** Called after each change: a waiting request may now have a place. */
  onChange(listener: () => void): void;
}

/** Starts with every upstream unprobed, and so unhealthy. */
export function createPool(options: {
  readonly addresses: readonly ReplicaAddress[];
  readonly inFlightMax: number;
}): Pool {
  const listeners: (() => void)[] = [];
  let replicas: readonly Replica[] = options.addresses.map((address) => ({
    address,
    facts: unprobed,
  }));
  let endpoints = replicas.map((replica) => endpointOf(replica, options.inFlightMax));

  return {
    get replicas() {
      return replicas;
    },
    get endpoints() {
      return endpoints;
    },
    find: (name) => replicas.find(({ address }) => address.name === name),
    update: (name, facts) => {
      replicas = replicas.map((replica) =>
        replica.address.name === name
          ? { address: replica.address, facts: { ...replica.facts, ...facts } }
          : replica,
      );
      endpoints = replicas.map((replica) => endpointOf(replica, options.inFlightMax));
      for (const listener of listeners) {
        listener();
      }
    },
    onChange: (listener) => {
      listeners.push(listener);
    },
  };
}

function endpointOf({ address, facts }: Replica, inFlightMax: number): Endpoint {
  return {
    name: address.name,
    healthy: facts.healthy,
    unhealthyReason: facts.unhealthyReason,
    models: new Set(facts.models.map(({ id }) => id)),
    inFlightMax,
    engineRunning: facts.metrics?.running,
    engineWaiting: facts.metrics?.waiting,
  };
}
