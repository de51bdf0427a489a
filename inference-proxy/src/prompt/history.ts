import { type Checkpoint, type HistoryMemo, segmentBytes } from "./history-memo.ts";
import { endOfScalar, JsonWalk } from "./json-walk.ts";
import type { HashBytes } from "./types.ts";

/**
 * Bytes that one key stands for. Measured on 280 KB never seen before: 95 µs of hashing in chunks
 * of 256 bytes, 52 of 512, 32 of 1,024, 21 of 2,048. A chunk is some 256 tokens, sixteen of an
 * engine's blocks: finer keys would say little more about what is cached.
 */
export const chunkBytes = 1024;

/**
 * Messages whose ends are kept. A longer list is still scanned to its end: it only has no more
 * places where a session could be found.
 */
export const messagesMax = 4096;

/** Roots that are remembered; all are forgotten at once when there are more. */
const rootsMax = 4096;

/**
 * The part of a body that grows from turn to turn: the elements of `messages`, or the characters of
 * a text prompt. All positions in it count from its first byte, so that what stands before it in
 * the body does not matter.
 */
export interface History {
  /** Offset in the body of its first byte. */
  readonly from: number;
  /** Offset in the body behind its value. */
  readonly valueEnd: number;
  /** Its bytes up to the end of the last message, or of the text. */
  readonly length: number;
  /** True for a text prompt, which has no messages. */
  readonly isText: boolean;
  /**
   * Chained over full chunks, and at last one key for the rest. They know the tenant, not the
   * model, the salt or the tools.
   */
  readonly chunkKeys: readonly number[];
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  /** Key i stands for everything up to the end of message i. */
  readonly endKeys: readonly number[];
}

const space = 0x20;
const quote = 0x22;
const comma = 0x2c;
const openBrace = 0x7b;
const openBracket = 0x5b;
const closeBracket = 0x5d;

/** Reads histories; the long head of a known one is only hashed, natively, not scanned. */
export interface HistoryReader {
  /**
   * The history whose value, an array or a string, begins at `valueAt`; undefined where it is
   * neither or does not end.
   */
  read(bytes: Uint8Array, valueAt: number, tenant: string): History | undefined;
}

/**
 * @param memoSeed Secret of this process, for the checkpoints: a body made to collide with another
 * one must not be read as that one.
 * @param keySeed Secret of those who are to name prompts alike, for the keys: without it nobody who
 * sees keys can tell which text they stand for by trying.
 */
export function createHistoryReader(options: {
  readonly hash: HashBytes;
  readonly memo: HistoryMemo;
  readonly memoSeed: bigint;
  readonly keySeed: bigint;
}): HistoryReader {
  const { hash, memo } = options;
  /** Where the chains of a tenant begin. */
  const roots = new Map<string, { readonly chain: bigint; readonly segment: bigint }>();
  const rootOf = (name: string) => {
    const known = roots.get(name);
    if (known !== undefined) return known;
    const root = { chain: hash(name, options.keySeed), segment: hash(name, options.memoSeed) };
    if (roots.size >= rootsMax) roots.clear();
    roots.set(name, root);
    return root;
  };
  return {
    read: (bytes, valueAt, tenant) => {
      const first = bytes[valueAt];
      if (first !== openBracket && first !== quote) return undefined;
      const isText = first === quote;
      const root = rootOf(isText ? `t${tenant}` : `m${tenant}`);
      const scan = new HistoryScan(bytes, valueAt + 1, isText, hash, root.chain);
      let { segment } = root;
      let index = 0;
      let isKnown = true;
      for (;;) {
        const end = valueAt + 1 + (index + 1) * segmentBytes;
        if (end > bytes.length) return scan.run(bytes.length) ? scan.finish() : undefined;
        const segmentHash = hash(bytes.subarray(end - segmentBytes, end), segment);
        const known: Checkpoint | undefined = isKnown ? memo.find(segmentHash, index) : undefined;
        isKnown = known !== undefined;
        if (known !== undefined) {
          scan.resume(known, end);
        } else {
          scan.beginSegment();
          if (scan.run(end)) return scan.finish();
          scan.keep(memo, segmentHash, index, end);
        }
        segment = segmentHash;
        index += 1;
      }
    },
  };
}

/** One history while it is being scanned. */
class HistoryScan {
  readonly #bytes: Uint8Array;
  readonly #from: number;
  readonly #isText: boolean;
  readonly #hash: HashBytes;
  #walk: JsonWalk;
  /** Where the open message begins, from the history's start; -1: none is open. */
  #openedAt = -1;
  /** End of the last message. */
  #length = 0;
  #chain: bigint;
  #chunkKeys: number[] = [];
  #starts: number[] = [];
  #ends: number[] = [];
  #endKeys: number[] = [];
  /** How much of the lists belongs to earlier segments. */
  #chunksBefore = 0;
  #messagesBefore = 0;

  constructor(bytes: Uint8Array, from: number, isText: boolean, hash: HashBytes, chain: bigint) {
    this.#bytes = bytes;
    this.#from = from;
    this.#isText = isText;
    this.#hash = hash;
    this.#chain = chain;
    this.#walk = new JsonWalk(bytes, from, isText ? 0 : 1, isText);
  }

  /** Takes a segment over as it was found before. */
  resume(known: Checkpoint, end: number): void {
    this.#walk = new JsonWalk(this.#bytes, end, known.depth, known.isInString);
    this.#openedAt = known.openedAt;
    this.#chain = known.chain;
    append(this.#chunkKeys, known.chunkKeys);
    append(this.#starts, known.starts);
    append(this.#ends, known.ends);
    append(this.#endKeys, known.endKeys);
    this.#length = this.#ends.at(-1) ?? 0;
  }

  beginSegment(): void {
    this.#chunksBefore = this.#chunkKeys.length;
    this.#messagesBefore = this.#ends.length;
  }

  /** Scans up to `limit`; true when the history's value ended before it. */
  run(limit: number): boolean {
    const hasEnded = this.#isText ? this.#walk.run(limit, 0) : this.#runMessages(limit);
    this.#hashUpTo((hasEnded ? this.#walk.at - 1 : limit) - this.#from);
    return hasEnded;
  }

  #runMessages(limit: number): boolean {
    const walk = this.#walk;
    const bytes = this.#bytes;
    for (;;) {
      if (this.#openedAt >= 0) {
        if (!walk.run(limit, 1)) return false;
        this.#endMessage(walk.at);
      }
      let { at } = walk;
      while (at < limit && (bytes[at]! <= space || bytes[at] === comma)) at += 1;
      if (at >= limit) {
        walk.at = at;
        return false;
      }
      this.#openedAt = at - this.#from;
      walk.at = at + 1;
      const byte = bytes[at];
      if (byte === closeBracket) {
        this.#openedAt = -1;
        return true;
      }
      if (byte === quote) {
        walk.isInString = true;
      } else if (byte === openBrace || byte === openBracket) {
        walk.depth = 2;
      } else {
        walk.at = Math.max(endOfScalar(bytes, at), at + 1);
        this.#endMessage(walk.at);
      }
    }
  }

  #endMessage(at: number): void {
    this.#length = at - this.#from;
    if (this.#ends.length < messagesMax) {
      this.#starts.push(this.#openedAt);
      this.#ends.push(this.#length);
    }
    this.#openedAt = -1;
  }

  /** Brings the chain and the keys of ends up to this position, counted from the start. */
  #hashUpTo(position: number): void {
    for (;;) {
      const chunkEnd = (this.#chunkKeys.length + 1) * chunkBytes;
      const messageEnd = this.#ends[this.#endKeys.length] ?? Number.POSITIVE_INFINITY;
      if (messageEnd < chunkEnd && messageEnd <= position) {
        this.#endKeys.push(keyOf(this.#hashTo(messageEnd)));
      } else if (chunkEnd <= position) {
        this.#chain = this.#hashTo(chunkEnd);
        this.#chunkKeys.push(keyOf(this.#chain));
      } else {
        return;
      }
    }
  }

  /** From the last chunk's end. */
  #hashTo(position: number): bigint {
    const start = this.#from + this.#chunkKeys.length * chunkBytes;
    return this.#hash(this.#bytes.subarray(start, this.#from + position), this.#chain);
  }

  keep(memo: HistoryMemo, hash: bigint, index: number, end: number): void {
    // A number as an element may reach across the end; no message is one.
    if (this.#walk.at !== end) return;
    memo.keep({
      hash,
      index,
      depth: this.#walk.depth,
      isInString: this.#walk.isInString,
      openedAt: this.#openedAt,
      chain: this.#chain,
      chunkKeys: this.#chunkKeys.slice(this.#chunksBefore),
      starts: this.#starts.slice(this.#messagesBefore),
      ends: this.#ends.slice(this.#messagesBefore),
      endKeys: this.#endKeys.slice(this.#messagesBefore),
    });
  }

  finish(): History {
    const length = this.#isText ? this.#walk.at - 1 - this.#from : this.#length;
    const chunkKeys = this.#chunkKeys;
    // White space behind the last message may have filled chunks of its own.
    chunkKeys.length = Math.min(chunkKeys.length, Math.floor(length / chunkBytes));
    if (length > chunkKeys.length * chunkBytes) {
      const isKept = this.#ends.at(-1) === length;
      chunkKeys.push(isKept ? this.#endKeys.at(-1)! : keyOf(this.#hashTo(length)));
    }
    return {
      from: this.#from,
      valueEnd: this.#walk.at,
      length,
      isText: this.#isText,
      chunkKeys,
      starts: this.#starts,
      ends: this.#ends,
      endKeys: this.#endKeys,
    };
  }
}

function append(list: number[], more: readonly number[]): void {
  for (const value of more) list.push(value);
}

/** As many bits as a number holds exactly. */
export function keyOf(hash: bigint): number {
  return Number(BigInt.asUintN(53, hash));
}
