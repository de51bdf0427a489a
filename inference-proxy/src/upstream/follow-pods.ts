import { lookup } from "node:dns/promises";
import { type Clock, type Logger, messageOf } from "@warmpath/runtime/base";
import { placeOfPod, reachedAt } from "./pod-places.ts";
import type { Pool, Replica } from "./pool.ts";
import { isVacant, type PodPlace, type ServedModel } from "./replica.ts";

/** Addresses that a name leads to now; none where it leads nowhere. Rejects without an answer. */
export type LookUp = (host: string) => Promise<readonly string[]>;

/** Keeps the places of names filled with the pods that are there. */
export interface PodFollower {
  /** Resolves when each name has been looked up once, or did not answer in time. */
  readonly firstRound: Promise<void>;
  close(): void;
}

/** How often to look, and how long for. */
export interface FollowLimits {
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

/**
 * Empty answers in a row after which a name's pods are gone: a name server that was restarted
 * answers so for a moment, and then the same pods are back.
 */
const emptyMax = 5;

const shared = "a pod is behind two upstreams: it counts once, for the one that has it";

const noPlace = "an upstream has more pods than places: WARMPATH_UPSTREAM_PODS_MAX";

/**
 * Looks up every name of the pool for ever. A pod that appears takes the place that has been free
 * for longest. One that disappears gets nothing new once another answers, and leaves its place when
 * its probes fail too: it may only have been slow to say that it is ready, and then all that is
 * known of it still holds.
 * A name server that does not answer changes nothing, and one that knows nobody takes nobody away
 * who answers.
 * A pod that several upstreams lead to is one replica. It belongs to an upstream that is its very
 * address, else to the name that is listed first of those that lead to it and have a free place.
 */
export function startPodFollower(options: {
  readonly pool: Pool;
  readonly limits: FollowLimits;
  readonly clock: Clock;
  readonly log: Logger;
  /** After pods have moved among the places. */
  readonly onMove: () => void;
  /** Default: the system's resolver. */
  readonly lookUp?: LookUp | undefined;
}): PodFollower {
  const { clock, limits } = options;
  const closed = new AbortController();
  const upstreams = new Set(options.pool.replicas.flatMap((replica) => upstreamOf(replica) ?? []));
  const names: FollowedName[] = [];
  for (const upstream of upstreams) {
    names.push(new FollowedName(upstream, options, closed.signal, names));
  }
  const firsts = names.map((name) => {
    const first = name.look();
    const run = async (): Promise<void> => {
      await first;
      for (;;) {
        await clock.sleep(limits.intervalMs, closed.signal);
        await name.look();
      }
    };
    // Only the sleep rejects, and only when it is closed.
    run().catch(() => undefined);
    return first;
  });
  return {
    firstRound: Promise.all(firsts).then(() => undefined),
    close: () => closed.abort(),
  };
}

/** Asks the system, which knows the search domains and the hosts file. */
export const systemLookUp: LookUp = async (host) => {
  try {
    const found = await lookup(host, { all: true });
    const first = found.filter(({ family }) => family === 4);
    // A pod with two addresses is one pod.
    return (first.length > 0 ? first : found).map(({ address }) => address);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOTFOUND" || code === "ENODATA") {
      return [];
    }
    throw error;
  }
};

/** Whose place it is: several upstreams may have one name, with paths or keys of their own. */
function upstreamOf({ address: { name, pod } }: Replica): string | undefined {
  return pod === undefined ? undefined : name.slice(0, name.lastIndexOf("~"));
}

class FollowedName {
  readonly upstream: string;
  readonly #options: Parameters<typeof startPodFollower>[0];
  readonly #signal: AbortSignal;
  /** Every name that is followed, this one too, as they are listed. */
  readonly #all: readonly FollowedName[];
  /** Names of places, the one that has been free for longest first. */
  readonly #freePlaces: string[];
  #empty = 0;
  /** Addresses that the last answer had. */
  #named: ReadonlySet<string> = new Set();
  /** Of the named ones, those that another upstream has, with the place that they have there. */
  #elsewhere: ReadonlyMap<string, string> = new Map();
  /** What was last complained about; empty: nothing. */
  #complaint = "";

  constructor(
    upstream: string,
    options: Parameters<typeof startPodFollower>[0],
    signal: AbortSignal,
    all: readonly FollowedName[],
  ) {
    this.upstream = upstream;
    this.#options = options;
    this.#signal = signal;
    this.#all = all;
    this.#freePlaces = this.#places().map(({ address }) => address.name);
  }

  /** Never rejects. */
  async look(): Promise<void> {
    try {
      const ips = await this.#ask();
      this.#empty = ips.length === 0 ? this.#empty + 1 : 0;
      if (!this.#signal.aborted && (ips.length > 0 || this.#empty >= emptyMax)) {
        this.#named = new Set(ips);
        const isMoved = this.#letGo();
        const { isRoom, hasTaken } = this.#take();
        if (isMoved || hasTaken) {
          this.#options.onMove();
        }
        this.#tellVacant();
        this.#complain(isRoom ? "" : noPlace);
      }
    } catch (error) {
      if (!this.#signal.aborted) {
        this.#complain(`the pods of an upstream cannot be looked up: ${messageOf(error)}`);
      }
    }
  }

  async #ask(): Promise<readonly string[]> {
    const { clock, limits, lookUp = systemLookUp } = this.#options;
    const late = new AbortController();
    const host = this.#places()[0]?.address.pod.host ?? "";
    const name = host.slice(0, host.lastIndexOf(":"));
    const tooLate = async (): Promise<never> => {
      await clock.sleep(limits.timeoutMs, late.signal);
      throw new Error(`no answer within ${limits.timeoutMs} ms`);
    };
    try {
      return await Promise.race([lookUp(name), tooLate()]);
    } finally {
      late.abort();
    }
  }

  /** Frees the places of pods that have gone; true if there were any. */
  #letGo(): boolean {
    const named = this.#named;
    let isMoved = false;
    const hasHeir = this.#places().some(
      ({ address, facts }) => facts.healthy && named.has(address.pod.ip ?? ""),
    );
    for (const { address, facts, hold } of this.#places()) {
      const { ip } = address.pod;
      if (ip === undefined) {
        continue;
      }
      const isNamed = named.has(ip);
      // Until one that is named answers too, those that do are better than nobody: what replaces
      // them has not been probed yet, or all were slow to be ready.
      const isLeaving = !isNamed && hasHeir;
      if (!isNamed && !facts.healthy) {
        this.#free(ip);
        isMoved = true;
      } else if (hold.isLeaving !== isLeaving) {
        this.#options.pool.hold(address.name, { isLeaving });
      }
    }
    return isMoved;
  }

  /** Gives a place to each pod that has none. */
  #take(): { readonly isRoom: boolean; readonly hasTaken: boolean } {
    const { pool, log } = this.#options;
    const elsewhere = new Map<string, string>();
    let hasTaken = false;
    let isRoom = true;
    const placed = new Set(this.#places().map(({ address }) => address.pod.ip));
    // In one order, so that proxies which start together mostly agree about the places.
    for (const ip of [...this.#named].filter((each) => !placed.has(each)).sort()) {
      const other = this.#otherWith(ip);
      const owner = other && this.#all.find(({ upstream }) => upstream === upstreamOf(other));
      const place = this.#places().find(({ address }) => address.name === this.#freePlaces[0]);
      if (other !== undefined && (place === undefined || !this.#precedes(owner, ip))) {
        elsewhere.set(ip, other.address.name);
        continue;
      }
      if (place === undefined) {
        isRoom = false;
        continue;
      }
      if (owner !== undefined) {
        owner.#free(ip);
      }
      this.#freePlaces.shift();
      log.info("a pod has come", { replica: place.address.name, ip });
      pool.move(place.address.name, placeOfPod(place.address, place.address.pod, ip));
      hasTaken = true;
    }
    this.#tellElsewhere(elsewhere);
    return { isRoom, hasTaken };
  }

  /** Takes the pod out of its place. */
  #free(ip: string): void {
    const { pool, log } = this.#options;
    for (const { address } of this.#places().filter((place) => place.address.pod.ip === ip)) {
      log.info("a pod has gone", { replica: address.name, ip });
      this.#freePlaces.push(address.name);
      pool.move(address.name, placeOfPod(address, address.pod, undefined));
    }
  }

  /** What another upstream has at that address; undefined where no other has. */
  #otherWith(ip: string): Replica | undefined {
    const [place] = this.#places();
    const reached = place && reachedAt(placeOfPod(place.address, place.address.pod, ip));
    return this.#options.pool.replicas.find(
      (replica) => reachedAt(replica.address) === reached && upstreamOf(replica) !== this.upstream,
    );
  }

  /** True when the pod should be here rather than with its owner, if that is a name at all. */
  #precedes(owner: FollowedName | undefined, ip: string): boolean {
    return (
      owner !== undefined &&
      (!owner.#named.has(ip) || this.#all.indexOf(this) < this.#all.indexOf(owner))
    );
  }

  #tellElsewhere(elsewhere: ReadonlyMap<string, string>): void {
    for (const [ip, replica] of elsewhere) {
      if (this.#elsewhere.get(ip) !== replica) {
        this.#options.log.warn(shared, { upstream: this.upstream, replica, ip });
      }
    }
    this.#elsewhere = elsewhere;
  }

  /**
   * A pod that comes will serve what the others do. A place of which nothing is known might serve
   * anything: any name of a model would be one whose replicas are out, and no prompt too long.
   */
  #tellVacant(): void {
    const places = this.#places();
    const { pool } = this.#options;
    const elsewhere = [...this.#elsewhere.values()].flatMap((name) => pool.find(name) ?? []);
    const served = new Map<string, ServedModel>();
    for (const { address, facts } of [...places, ...elsewhere]) {
      for (const model of isVacant(address) ? [] : facts.models) {
        served.set(model.id, model);
      }
    }
    if (served.size === 0) {
      return;
    }
    for (const { address, facts } of places.filter((place) => isVacant(place.address))) {
      const models = [...served.values(), ...facts.models.filter(({ id }) => !served.has(id))];
      if (!Bun.deepEquals(models, facts.models)) {
        pool.update(address.name, { models });
      }
    }
  }

  #places(): readonly PlacedReplica[] {
    return this.#options.pool.replicas.filter((replica): replica is PlacedReplica => {
      return upstreamOf(replica) === this.upstream;
    });
  }

  /** Once for each complaint, however often there is reason for it. */
  #complain(sentence: string): void {
    if (sentence !== this.#complaint) {
      this.#complaint = sentence;
      if (sentence !== "") {
        this.#options.log.warn(sentence, { upstream: this.upstream });
      }
    }
  }
}

type PlacedReplica = Replica & { readonly address: { readonly pod: PodPlace } };
