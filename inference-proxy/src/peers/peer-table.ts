import type { Beat, PeerLimits, PeerLoad } from "./types.ts";

/** What became of a beat. */
export type BeatTaken = "taken" | "own" | "late" | "crowded";

interface Peer {
  readonly loads: readonly PeerLoad[];
  readonly number: number;
  readonly heardAtMs: number;
}

/** Told of a replica whose foreign load is another now. */
export type OnForeign = (replica: number, load: Omit<PeerLoad, "replica">) => void;

/**
 * What the other proxies have booked, summed for each replica. A peer counts with its last beat,
 * until it says goodbye or was not heard for a while. Pure: times are handed in.
 */
export class PeerTable {
  readonly #self: string;
  #replicas: ReadonlyMap<string, number>;
  readonly #limits: Pick<PeerLimits, "peerSilentMs" | "peersMax">;
  readonly #onForeign: OnForeign;
  readonly #peers = new Map<string, Peer>();
  readonly #requests: number[];
  readonly #aheadMs: number[];
  readonly #sessionTokens: number[];

  /** `self` is the name of this process: its own beats come back to it. */
  constructor(options: {
    readonly self: string;
    readonly names: readonly string[];
    readonly limits: Pick<PeerLimits, "peerSilentMs" | "peersMax">;
    readonly onForeign: OnForeign;
  }) {
    const { names } = options;
    this.#self = options.self;
    this.#replicas = new Map(names.map((name, replica) => [name, replica]));
    this.#limits = options.limits;
    this.#onForeign = options.onForeign;
    this.#requests = names.map(() => 0);
    this.#aheadMs = names.map(() => 0);
    this.#sessionTokens = names.map(() => 0);
  }

  /** Takes in the loads of a beat. */
  take({ from, number, isLast, loads }: Beat, nowMs: number): BeatTaken {
    if (from === this.#self) {
      return "own";
    }
    const known = this.#peers.get(from);
    if (known !== undefined && number <= known.number) {
      return "late";
    }
    if (isLast) {
      this.#forget(from, known);
      return "taken";
    }
    if (known === undefined && this.#peers.size >= this.#limits.peersMax) {
      return "crowded";
    }
    this.#count(known?.loads ?? [], -1);
    this.#count(loads, 1);
    this.#peers.set(from, { loads, number, heardAtMs: nowMs });
    this.#tell(known?.loads ?? []);
    this.#tell(loads);
    return "taken";
  }

  /** Forgets who was not heard for too long; returns how many those were. */
  forgetSilent(nowMs: number): number {
    let forgotten = 0;
    for (const [name, peer] of this.#peers) {
      if (nowMs - peer.heardAtMs > this.#limits.peerSilentMs) {
        this.#forget(name, peer);
        forgotten += 1;
      }
    }
    return forgotten;
  }

  /** Other engines are in the replicas' places: what peers have is counted anew. */
  rename(names: readonly string[]): void {
    this.#replicas = new Map(names.map((name, replica) => [name, replica]));
    for (const sums of [this.#requests, this.#aheadMs, this.#sessionTokens]) {
      sums.fill(0);
    }
    for (const { loads } of this.#peers.values()) {
      this.#count(loads, 1);
    }
    for (const replica of names.keys()) {
      this.#tellOf(replica);
    }
  }

  /** Peers that are heard now. */
  get size(): number {
    return this.#peers.size;
  }

  #forget(name: string, peer: Peer | undefined): void {
    if (peer !== undefined) {
      this.#peers.delete(name);
      this.#count(peer.loads, -1);
      this.#tell(peer.loads);
    }
  }

  #count(loads: readonly PeerLoad[], sign: 1 | -1): void {
    for (const { replica: name, requests, aheadMs, sessionTokens } of loads) {
      const replica = this.#replicas.get(name);
      if (replica !== undefined) {
        this.#requests[replica]! += sign * requests;
        this.#aheadMs[replica]! += sign * aheadMs;
        this.#sessionTokens[replica]! += sign * sessionTokens;
      }
    }
  }

  #tell(loads: readonly PeerLoad[]): void {
    for (const { replica: name } of loads) {
      const replica = this.#replicas.get(name);
      if (replica !== undefined) {
        this.#tellOf(replica);
      }
    }
  }

  #tellOf(replica: number): void {
    this.#onForeign(replica, {
      requests: this.#requests[replica]!,
      aheadMs: this.#aheadMs[replica]!,
      sessionTokens: this.#sessionTokens[replica]!,
    });
  }
}
