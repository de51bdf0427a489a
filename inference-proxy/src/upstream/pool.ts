import type { Endpoint } from "../pick/index.ts";
import { type ReplicaAddress, type ReplicaFacts, unprobed } from "./replica.ts";

/** One upstream: where it is and what is known of it. */
export interface Replica {
  readonly address: ReplicaAddress;
  readonly facts: ReplicaFacts;
  readonly hold: Hold;
}

/** What keeps new requests from a replica that answers its probes. */
export interface Hold {
  /** True while an operator wants it empty. */
  readonly isDraining: boolean;
  /** True while the name that led to it does not: what it has goes on, nothing new goes there. */
  readonly isLeaving: boolean;
  /** Models that a breaker holds back there now, or all of them. */
  readonly heldBack: ReadonlySet<string> | "all";
}

const notHeld: Hold = { isDraining: false, isLeaving: false, heldBack: new Set() };

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
  /** Holds requests back from a replica, or lets them come again; tells the listeners if asked. */
  hold(name: string, hold: Partial<Hold>, options?: { readonly isQuiet: boolean }): void;
  /**
   * Another pod, or nobody, has the place of that name now: nothing that was known of it holds, but
   * for the models, whose callers are told that no replica is there.
   */
  move(name: string, address: ReplicaAddress): void;
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
    hold: notHeld,
  }));
  let endpoints = replicas.map((replica) => endpointOf(replica, options.inFlightMax));

  // Looked up with every request; names neither come nor go, though pods may move among places.
  const places = new Map(replicas.map(({ address }, at) => [address.name, at]));
  const find = (name: string): Replica | undefined => replicas[places.get(name) ?? -1];

  const replace = (name: string, change: (replica: Replica) => Replica) => {
    const at = places.get(name);
    const before = find(name);
    if (before !== undefined && at !== undefined) {
      const replica = change(before);
      replicas = replicas.with(at, replica);
      endpoints = endpoints.with(at, endpointOf(replica, options.inFlightMax));
    }
  };
  const tell = () => {
    for (const listener of listeners) {
      listener();
    }
  };

  return {
    get replicas() {
      return replicas;
    },
    get endpoints() {
      return endpoints;
    },
    find,
    update: (name, facts) => {
      replace(name, (replica) => ({ ...replica, facts: { ...replica.facts, ...facts } }));
      tell();
    },
    hold: (name, hold, { isQuiet } = { isQuiet: false }) => {
      replace(name, (replica) => ({ ...replica, hold: { ...replica.hold, ...hold } }));
      if (!isQuiet) {
        tell();
      }
    },
    move: (name, address) => {
      replace(name, ({ facts, hold }) => ({
        address,
        facts: { ...unprobed, models: facts.models },
        hold: { ...notHeld, heldBack: hold.heldBack },
      }));
      tell();
    },
    onChange: (listener) => {
      listeners.push(listener);
    },
  };
}

function contextsOf({ models }: ReplicaFacts): ReadonlyMap<string, number> {
  const stated = models.filter(({ contextTokens }) => contextTokens > 0);
  return new Map(stated.map(({ id, contextTokens }) => [id, contextTokens]));
}

function adaptersOf({ models }: ReplicaFacts): ReadonlySet<string> | undefined {
  const adapters = models.filter(({ isAdapter }) => isAdapter === true);
  return adapters.length === 0 ? undefined : new Set(adapters.map(({ id }) => id));
}

function endpointOf({ address, facts, hold }: Replica, inFlightMax: number): Endpoint {
  return {
    name: address.name,
    healthy: facts.healthy,
    unhealthyReason: facts.unhealthyReason,
    models: new Set(facts.models.map(({ id }) => id)),
    contextTokens: contextsOf(facts),
    adapters: adaptersOf(facts),
    adaptersInUse: facts.metrics?.adapters,
    isDraining: hold.isDraining || hold.isLeaving,
    heldBack: hold.heldBack,
    inFlightMax: address.provider?.inFlightMax ?? inFlightMax,
    engineRunning: facts.metrics?.running,
    engineWaiting: facts.metrics?.waiting,
    engineSaidAtMs: facts.metrics === undefined ? undefined : facts.metricsAtMs,
    kvTokens: facts.metrics?.kvCacheTokens,
  };
}
