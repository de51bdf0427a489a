import type { ForeignTurn, ReplicaLoad } from "../pick/index.ts";

/** What one proxy tells the others now and then; all of it hints, none of it missed when lost. */
export interface Beat {
  /** The process that tells; made anew with each start. */
  readonly from: string;
  /** Grows with each beat: what comes late or twice is passed over. */
  readonly number: number;
  /** Names the secret of its prompt keys; keys of another one say nothing. Empty: it has none. */
  readonly keysOf: string;
  /** True in its last beat: what it had booked has ended. */
  readonly isLast: boolean;
  /** Of the replicas where it has anything; all of it, so that the next beat mends a lost one. */
  readonly loads: readonly PeerLoad[];
  /** Sessions that had a turn since its last beat, the oldest first. */
  readonly homes: readonly PeerHome[];
}

/** What a proxy has booked at one replica. Whole numbers: sums of them never drift. */
export interface PeerLoad {
  /** As every proxy calls it: host, port and path of its address. */
  readonly replica: string;
  /** Requests in flight. */
  readonly requests: number;
  /** Prefill without a first event, in ms of the replica's time. */
  readonly aheadMs: number;
  /** KV tokens that sessions admitted there are expected to need, without what several share. */
  readonly sessionTokens: number;
}

/** Where a session's last turn went. */
export interface PeerHome {
  /** As in `SessionLink`: leads with the tenant. */
  readonly session: string;
  readonly replica: string;
  /** How long before the beat the turn began or ended, in ms. */
  readonly agoMs: number;
  /** Prompt tokens that one key stands for. */
  readonly chunkTokens: number;
  /** Where its prompt ended, as in `PromptIdentity`; 0: nobody knows. */
  readonly endMark: number;
  /** Chained keys of the prompt that was sent there; empty when the turn has ended. */
  readonly keys: ArrayLike<number>;
}

/** Bounds of what is told and taken in. */
export interface PeerLimits {
  /** Time between two beats while there is news, in ms; 0: nothing is shared. */
  readonly peerBeatMs: number;
  /** A peer that was not heard for so long is forgotten, with its load. */
  readonly peerSilentMs: number;
  /** Peers listened to at once. */
  readonly peersMax: number;
  /** Bytes of one beat, sent or taken. */
  readonly peerMessageBytesMax: number;
}

/** Where placement says what this proxy has booked, and takes in what others have. */
export interface SharedPlacing {
  bookedAt(replica: number): ReplicaLoad;
  setForeign(replica: number, load: ReplicaLoad): void;
  hear(replica: number, turn: ForeignTurn, atMs: number): void;
}

/** Where sessions are found in prompts, those of other proxies as well. */
export interface SharedPrompts {
  hear(endMark: number, sessionId: string): void;
}
