import { GapModel } from "./gap-model.ts";
import { KeptRoom } from "./kept-room.ts";
import { OwnedPrefixes } from "./owned-prefixes.ts";
import { SecondTurns } from "./second-turns.ts";
import { commonPrefix, expectedOf, newSession, type Rest, type Session } from "./session.ts";
import { ShareControl } from "./share-control.ts";
import {
  elsewhereRest,
  failedRest,
  type GateOptions,
  type SessionTurn,
  type Standing,
  stopRest,
  type TurnEnd,
} from "./types.ts";

/** A turn under way; hand it back at its end. */
export interface AdmittedTurn {
  /** Undefined for a request without one. */
  readonly session: Session | undefined;
  readonly replica: number;
  readonly chunks: number;
  /** Tokens that it should find cached, as its session left them there; 0 for a session's first. */
  readonly expectedTokens: number;
}

/** Published defaults: see the README of the policy lab for the runs that chose them. */
export const gateDefaults: GateOptions = {
  horizonMs: 15_000,
  sessionsMax: 100_000,
  share: {
    start: 0.7,
    least: 0.4,
    most: 1.1,
    missHigh: 0.02,
    missLow: 0.005,
    shrink: 0.99,
    grow: 1.0033,
    windowMs: 2000,
    expectedTokensMin: 50_000,
  },
};

/** A session is given up after a rest of so many horizons; it may still come back. */
const patienceHorizons = 2;
/** Longer than a turn may wait in the queue: after that it has left without a place. */
const askedHorizons = 8;
/** How often rests are looked at again, and how many at once: about half a millisecond. */
const sweepMs = 100;
const looksMax = 2048;
/** What is believed of a return before anything was seen: tools answer, people sometimes. */
const toolReturnChance = 1;
const stopReturnChance = 0.5;

/**
 * Admits whole sessions so that the prefixes of all that are under way fit the KV cache of their
 * replica: beyond that point every turn evicts what the next one needs, and throughput collapses.
 *
 * A session that was admitted keeps its place: its turns go home and never wait for room. While it
 * rests its blocks count with the chance that it comes back soon, so that finished sessions leave
 * by themselves, without anybody saying that they are. Sub-agents belong to the session that waits
 * for them. New sessions wait until there is room for them.
 *
 * Pure: times are handed in. Replicas are small integers.
 */
export class SessionGate {
  readonly #options: GateOptions;
  readonly #capacityTokens: Float64Array;
  readonly #owned: OwnedPrefixes;
  readonly #share: ShareControl;
  readonly #gaps = new GapModel();
  readonly #secondTurns = new SecondTurns();
  readonly #kept = new KeptRoom();
  /** In the order of last use. */
  readonly #sessions = new Map<string, Session>();
  readonly #resting = new Set<Session>();
  /** How far the rests have been looked at. */
  #looking = this.#resting.values();
  readonly #discountTokens: Float64Array;
  /** Of the turn last considered, for each replica; written when somebody has to know. */
  readonly #depths: Int32Array;
  #hasDepths = false;
  #turn: SessionTurn | undefined;
  /** The chance that what the turn last considered needs is needed again. */
  #needWeight = 1;
  #nextSweepMs = Number.NEGATIVE_INFINITY;
  #someoneWaits = false;

  constructor(replicas: number, options: GateOptions = gateDefaults) {
    this.#options = options;
    // Of a replica that says nothing about its cache nobody knows when it is full.
    this.#capacityTokens = new Float64Array(replicas).fill(Number.POSITIVE_INFINITY);
    this.#owned = new OwnedPrefixes(replicas);
    this.#share = new ShareControl(replicas, options.share);
    this.#discountTokens = new Float64Array(replicas);
    this.#depths = new Int32Array(replicas);
  }

  /** KV tokens of a replica, as its engine says. */
  setCapacity(replica: number, tokens: number): void {
    this.#capacityTokens[replica] = tokens;
  }

  /** Tokens that sessions of other proxies need at a replica: no room for ours. */
  setForeignTokens(replica: number, tokens: number): void {
    this.#owned.foreignTokens[replica] = tokens;
  }

  /**
   * Another proxy had a turn of the session at `atMs`: it is at home there, and counted by that
   * one. Passed over while a turn is under way here, or one has ended since.
   */
  settle(sessionId: string, replica: number, atMs: number): void {
    const session = this.#sessions.get(sessionId) ?? newSession();
    if (session.running > 0 || (session.resting?.sinceMs ?? atMs) > atMs) {
      return;
    }
    this.#endRest(session, atMs);
    this.#release(session);
    session.home = replica;
    session.hasComeBack = true;
    session.isDisplaced = false;
    session.resting = { kind: elsewhereRest, sinceMs: atMs, askedAtMs: undefined, isGone: false };
    this.#resting.add(session);
    this.#remember(sessionId, session);
  }

  /**
   * A turn asks for its place, perhaps not for the first time; or somebody only wants to know how
   * it would stand (`asks` false). `hasRoom` speaks of this turn until the next one is considered.
   */
  consider(turn: SessionTurn, nowMs: number, asks = true): Standing {
    this.#sweep(nowMs);
    this.#turn = turn;
    this.#kept.turnTo();
    const session = this.#sessions.get(turn.sessionId);
    this.#needWeight = session?.hasComeBack === true ? 1 : this.#secondTurns.weight;
    const isFirm = session === undefined || session.discountTokens <= session.uniqueTokens / 2;
    if (asks && session?.resting !== undefined) {
      session.resting.askedAtMs ??= nowMs;
      this.#setDiscount(session, 0);
    }
    const home = session?.home ?? this.#sessions.get(turn.parentId ?? "")?.home;
    this.#hasDepths = false;
    return { home, isFirm, isDisplaced: session?.isDisplaced ?? false };
  }

  /** True when the session, or the one that waits for it, has a home. */
  isAdmitted(sessionId: string, parentId: string | undefined): boolean {
    const session = this.#sessions.get(sessionId);
    return (session?.home ?? this.#sessions.get(parentId ?? "")?.home) !== undefined;
  }

  /** True when the session last considered fits in there beside those that are admitted. */
  hasRoom(replica: number): boolean {
    const turn = this.#turn;
    if (turn !== undefined && this.#kept.isKeptFrom(turn.sessionId, replica)) {
      return turn.sessionId === "";
    }
    const used = this.usedTokens(replica) + this.#owned.foreignTokens[replica]!;
    // An empty replica takes anybody: whoever is larger than its share must be served too. Sums of
    // fractions drift, so nobody's tokens are less than one.
    if (turn === undefined || turn.sessionId === "" || used < 1) {
      return true;
    }
    const roomTokens = this.#capacityTokens[replica]! * this.#share.of(replica) - used;
    const needTokens = turn.chunkTokens * this.#needWeight;
    if (turn.chunks * needTokens <= roomTokens) {
      return true;
    }
    if (!this.#hasDepths) {
      this.#owned.writeDepths(turn.keys, turn.chunks, this.#depths);
      this.#hasDepths = true;
    }
    const missing = (turn.chunks - this.#depths[replica]!) * needTokens - roomTokens;
    if (missing > 0) {
      this.#kept.isMissing(replica, missing);
    }
    return missing <= 0;
  }

  /**
   * The turn last considered found no room anywhere and goes on waiting. If it is the first in this
   * round, the replica that misses least for it takes nobody else until the next round.
   */
  noteWaiting(): void {
    this.#someoneWaits = true;
    this.#kept.keepFor(this.#turn?.sessionId ?? "");
  }

  /** Whoever is considered next goes first. */
  newRound(): void {
    this.#kept.newRound();
  }

  /** The turn goes to the replica, which is its session's home from now on. */
  admit(turn: SessionTurn, replica: number): AdmittedTurn {
    if (turn.sessionId === "") {
      return { session: undefined, replica, chunks: 0, expectedTokens: 0 };
    }
    const session = this.#sessions.get(turn.sessionId) ?? newSession();
    const stays = session.home === replica;
    const commonChunks = stays ? commonPrefix(session, turn) : 0;
    const expectedTokens = expectedOf(session, commonChunks, turn.chunkTokens);
    if (!stays || commonChunks < session.chunks) {
      this.#release(session);
    }
    for (let chunk = session.chunks; chunk < turn.chunks; chunk += 1) {
      session.uniqueTokens += this.#owned.add(replica, turn.keys[chunk]!, turn.chunkTokens);
    }
    this.#endRest(session, undefined);
    session.home = replica;
    session.keys = turn.keys;
    session.chunks = turn.chunks;
    session.running += 1;
    session.isDisplaced = false;
    if (!session.hasComeBack) {
      this.#setDiscount(session, (1 - this.#secondTurns.weight) * session.uniqueTokens);
    }
    this.#remember(turn.sessionId, session);
    return { session, replica, chunks: turn.chunks, expectedTokens };
  }

  /** The turn is over; to be called once. */
  end(
    { session, replica, chunks, expectedTokens }: AdmittedTurn,
    end: TurnEnd,
    nowMs: number,
  ): void {
    if (session === undefined) {
      return;
    }
    session.running -= 1;
    if (end.promptTokens !== undefined) {
      session.promptTokens = end.promptTokens;
      session.promptChunks = chunks;
    } else if (end.rest === failedRest) {
      // Nothing of it was computed here: the next turn has nothing to find.
      session.promptChunks = 0;
    }
    // A turn that was under way when its replica lost its cache could find nothing.
    if (end.cachedTokens !== undefined && expectedTokens > 0 && session.home === replica) {
      this.#share.observe(replica, expectedTokens, end.cachedTokens);
    }
    if (session.running === 0) {
      session.resting = { kind: end.rest, sinceMs: nowMs, askedAtMs: undefined, isGone: false };
      this.#resting.add(session);
      this.#discount(session, session.resting, nowMs);
    }
  }

  /** The replica lost its cache or is gone: its sessions have no home. */
  lose(replica: number): void {
    this.#share.forget(replica);
    for (const session of this.#sessions.values()) {
      if (session.home === replica) {
        this.#release(session);
        session.isDisplaced = true;
      }
    }
  }

  /** Tokens that admitted sessions are expected to need there. */
  usedTokens(replica: number): number {
    return this.#owned.tokens[replica]! - this.#discountTokens[replica]!;
  }

  /** The same without what several of them share, which sessions of other proxies have, too. */
  unsharedTokens(replica: number): number {
    return Math.max(0, this.usedTokens(replica) - this.#owned.sharedTokens[replica]!);
  }

  /** The share of the replica's cache that sessions may fill now. */
  shareOf(replica: number): number {
    return this.#share.of(replica);
  }

  /** Sessions that are remembered. */
  get size(): number {
    return this.#sessions.size;
  }

  #sweep(nowMs: number): void {
    if (nowMs < this.#nextSweepMs) {
      return;
    }
    this.#nextSweepMs = nowMs + sweepMs;
    this.#share.tick(nowMs, this.#someoneWaits);
    this.#someoneWaits = false;
    for (let looks = 0; looks < looksMax; looks += 1) {
      const { value: session, done } = this.#looking.next();
      if (done === true) {
        this.#looking = this.#resting.values();
        return;
      }
      const { resting } = session;
      if (resting === undefined) {
        continue;
      }
      const horizons = resting.askedAtMs === undefined ? patienceHorizons : askedHorizons;
      const sinceMs = resting.askedAtMs ?? resting.sinceMs;
      if (nowMs - sinceMs > this.#options.horizonMs * horizons) {
        this.#giveUp(session, resting);
      } else if (resting.askedAtMs === undefined && session.uniqueTokens > 0) {
        this.#discount(session, resting, nowMs);
      }
    }
  }

  /** A turn of it goes to a replica: it has come back, elsewhere if it has not asked here. */
  #endRest(session: Session, elsewhereAtMs: number | undefined): void {
    if (session.resting === undefined) {
      return;
    }
    const { kind, sinceMs, askedAtMs = elsewhereAtMs ?? sinceMs, isGone } = session.resting;
    this.#gaps.returned(kind, askedAtMs - sinceMs, isGone);
    if (!session.hasComeBack) {
      session.hasComeBack = true;
      if (isGone) {
        this.#secondTurns.sawAfterAll();
      } else {
        this.#secondTurns.saw(true);
      }
    }
    this.#setDiscount(session, 0);
    session.resting = undefined;
    this.#resting.delete(session);
  }

  #giveUp(session: Session, rest: Rest): void {
    rest.isGone = true;
    this.#gaps.gone(rest.kind);
    if (!session.hasComeBack) {
      this.#secondTurns.saw(false);
    }
    session.isDisplaced = false;
    this.#resting.delete(session);
    this.#release(session);
  }

  #discount(session: Session, { kind, sinceMs }: Rest, nowMs: number): void {
    const prior = kind === stopRest ? stopReturnChance : toolReturnChance;
    const { horizonMs } = this.#options;
    const chance = this.#gaps.returnChance(kind, nowMs - sinceMs, horizonMs, prior);
    this.#setDiscount(session, (1 - chance) * session.uniqueTokens);
  }

  #setDiscount(session: Session, tokens: number): void {
    if (session.home !== undefined) {
      this.#discountTokens[session.home]! += tokens - session.discountTokens;
    }
    session.discountTokens = tokens;
  }

  #release(session: Session): void {
    this.#setDiscount(session, 0);
    const { home, keys, chunks } = session;
    if (home !== undefined) {
      for (let chunk = 0; chunk < chunks; chunk += 1) {
        this.#owned.delete(home, keys[chunk]!);
      }
    }
    session.home = undefined;
    session.chunks = 0;
    session.uniqueTokens = 0;
  }

  #remember(id: string, session: Session): void {
    // Deleting first moves the entry to the end of the map's order: the first one is the oldest.
    this.#sessions.delete(id);
    this.#sessions.set(id, session);
    if (this.#sessions.size <= this.#options.sessionsMax) {
      return;
    }
    for (const [oldId, old] of this.#sessions) {
      if (old.running === 0) {
        this.#resting.delete(old);
        this.#release(old);
        this.#sessions.delete(oldId);
        return;
      }
    }
  }
}
