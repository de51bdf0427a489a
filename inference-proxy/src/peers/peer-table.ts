import type { Beat, PeerLimits, PeerLoad } from "./types.ts";

/** What became of a beat. */
export type BeatTaken = "taken" | "own" | "late" | "crowded";

/**
 * `heard`: it counts with what it said last. `silent`: it was not heard for a while and counts for
 * nothing; its next beat, if it is a newer one, makes it heard again. `gone`: it said goodbye,
 * after which nobody says anything: what comes of it has been overtaken on the way. The last two
 * are remembered for another while, so that a beat that is late does not count as somebody new.
 */
type PeerState = "heard" | "silent" | "gone";

interface Peer {
  readonly state: PeerState;
  /** Empty unless it is heard. */
  readonly loads: readonly PeerLoad[];
  readonly number: number;
  readonly heardAtMs: number;
}

/** Times of silence after which nothing is known of a peer any more. */
const silencesRemembered = 2;

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
  /** Whoever was heard, or fell silent, last is last. */
  readonly #peers = new Map<string, Peer>();
  #heard = 0;
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
    if (known !== undefined && (number <= known.number || known.state === "gone")) {
      return "late";
    }
    if (isLast) {
      this.#set(from, { state: "gone", loads: [], number, heardAtMs: nowMs });
      return "taken";
    }
    if (known?.state !== "heard" && this.#heard >= this.#limits.peersMax) {
      return "crowded";
    }
    this.#set(from, { state: "heard", loads, number, heardAtMs: nowMs });
    return "taken";
  }

  /** Counts no more on who was not heard for too long; returns how many those were. */
  forgetSilent(nowMs: number): number {
    const { peerSilentMs } = this.#limits;
    let silent = 0;
    for (const [name, peer] of [...this.#peers]) {
      const silentMs = nowMs - peer.heardAtMs;
      if (peer.state === "heard" && silentMs > peerSilentMs) {
        this.#set(name, { ...peer, state: "silent", loads: [] });
        silent += 1;
      }
      if (silentMs > silencesRemembered * peerSilentMs) {
        this.#peers.delete(name);
      }
    }
    return silent;
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
    return this.#heard;
  }

  #set(name: string, peer: Peer): void {
    const before = this.#peers.get(name);
    this.#count(before?.loads ?? [], -1);
    this.#count(peer.loads, 1);
    this.#heard += Number(peer.state === "heard") - Number(before?.state === "heard");
    // Deleting first moves the entry to the end of the map's order.
    this.#peers.delete(name);
    this.#peers.set(name, peer);
    this.#tell(before?.loads ?? []);
    this.#tell(peer.loads);
    this.#bound();
  }

  /** As many are remembered that do not count as are heard at most. */
  #bound(): void {
    if (this.#peers.size - this.#heard > this.#limits.peersMax) {
      const [oldest] = [...this.#peers].find(([, { state }]) => state !== "heard") ?? [];
      this.#peers.delete(oldest ?? "");
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
