import type { PeerHome } from "./types.ts";

/** What is noted of a turn's prompt. */
export interface NotedPrompt {
  readonly sessionId: string;
  readonly keys: ArrayLike<number>;
  /** Leading keys that stand for whole chunks. */
  readonly chunks: number;
  readonly chunkTokens: number;
  readonly endMark?: number;
}

/** The turns of one session that are under way. */
interface Turns {
  /** Of the one that began last. */
  latest: NotedPrompt;
  open: number;
}

interface Note {
  readonly prompt: NotedPrompt;
  readonly replica: number;
  readonly atMs: number;
  readonly hasKeys: boolean;
}

/** Sessions that wait to be told; the one that had no turn for longest is dropped first. */
const notesMax = 4096;
/** Longer names are not told, and not read: a tenant and the longest that clients may state. */
const sessionCharsMax = 512;
/** Keys of one prompt; those behind stand for what one beat may leave unsaid. */
const keysMax = 2048;
/** What a home takes in a beat, at most: digits of a key, and of everything but names. */
const keyBytes = 17;
const homeBytes = 96;
/** A character of a session's name as JSON may be an escape. */
const charBytesMax = 6;

function indexOf(names: readonly string[]): ReadonlyMap<string, number> {
  return new Map(names.map((name, replica) => [name, replica]));
}

/**
 * What the next beat tells of sessions: for each its last turn, however many it had. Costs a map
 * entry at the begin and at the end of a turn. Pure: times are handed in.
 */
export class Outbox {
  #names: readonly string[];
  #replicas: ReadonlyMap<string, number>;
  /** In the order of their last turns. */
  readonly #notes = new Map<string, Note>();
  readonly #turns = new Map<string, Turns>();
  #dropped = 0;

  constructor(names: readonly string[]) {
    this.#names = names;
    this.#replicas = indexOf(names);
  }

  /** Of the replicas, as all proxies call them. */
  get names(): readonly string[] {
    return this.#names;
  }

  /** Which of them has that name; undefined for one that this proxy does not know. */
  find(name: string): number | undefined {
    return this.#replicas.get(name);
  }

  /** Other engines are in the replicas' places: what was noted of those before is not theirs. */
  rename(names: readonly string[]): void {
    for (const [session, { replica }] of this.#notes) {
      if (names[replica] !== this.#names[replica]) {
        this.#notes.delete(session);
      }
    }
    this.#names = names;
    this.#replicas = indexOf(names);
  }

  /** A turn goes to the replica. */
  began(prompt: NotedPrompt, replica: number, nowMs: number): void {
    const turns = this.#turns.get(prompt.sessionId);
    if (turns === undefined) {
      this.#turns.set(prompt.sessionId, { latest: prompt, open: 1 });
    } else {
      turns.latest = prompt;
      turns.open += 1;
    }
    this.#note({ prompt, replica, atMs: nowMs, hasKeys: true });
  }

  /** It has ended there: its session is still at home there, and rests from now on. */
  ended(prompt: NotedPrompt, replica: number, nowMs: number): void {
    const turns = this.#turns.get(prompt.sessionId);
    if (turns !== undefined) {
      turns.open -= 1;
      if (turns.open === 0) this.#turns.delete(prompt.sessionId);
    }
    const noted = this.#notes.get(prompt.sessionId);
    // Another turn of the session that began later says more, and may have been told already.
    const isLatest = (turns?.latest ?? prompt) === prompt;
    if (isLatest && (noted === undefined || noted.prompt === prompt)) {
      this.#note({ prompt, replica, atMs: nowMs, hasKeys: noted?.hasKeys ?? false });
    }
  }

  /** The homes for one beat of so many bytes, the oldest first; what finds no room waits. */
  take(bytesMax: number, nowMs: number): readonly PeerHome[] {
    const homes: PeerHome[] = [];
    let bytes = 0;
    for (const [session, { prompt, replica, atMs, hasKeys }] of this.#notes) {
      const count = hasKeys ? Math.min(prompt.chunks, keysMax) : 0;
      const nameChars = session.length + this.#names[replica]!.length;
      bytes += homeBytes + nameChars * charBytesMax + count * keyBytes;
      if (bytes > bytesMax && homes.length > 0) {
        break;
      }
      this.#notes.delete(session);
      if (bytes > bytesMax) {
        this.#dropped += 1;
        break;
      }
      homes.push({
        session,
        replica: this.#names[replica]!,
        agoMs: Math.max(0, Math.round(nowMs - atMs)),
        chunkTokens: prompt.chunkTokens,
        endMark: prompt.endMark ?? 0,
        keys: Array.from({ length: count }, (_, index) => prompt.keys[index]!),
      });
    }
    return homes;
  }

  /** Sessions that wait to be told. */
  get size(): number {
    return this.#notes.size;
  }

  /** Homes that nobody was told of, as there was no room. */
  get dropped(): number {
    return this.#dropped;
  }

  #note(note: Note): void {
    const { sessionId } = note.prompt;
    if (sessionId === "" || sessionId.length > sessionCharsMax) {
      return;
    }
    // Deleting first moves the entry to the end of the map's order.
    this.#notes.delete(sessionId);
    this.#notes.set(sessionId, note);
    if (this.#notes.size > notesMax) {
      const [oldest = ""] = this.#notes.keys();
      this.#notes.delete(oldest);
      this.#dropped += 1;
    }
  }
}
