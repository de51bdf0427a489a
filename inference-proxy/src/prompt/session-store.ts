import type { History } from "./history.ts";

/** One line of prompts, each grown from the one before it; a session has one or a few. */
export interface Strand {
  readonly tenant: string;
  readonly id: string;
  readonly parentId: string | undefined;
  readonly scope: number;
  /** A key for each place where the last prompt could have ended. */
  marks: Float64Array;
  keys: ArrayLike<number>;
  heads: PromptHeads;
  /** Bytes of the last prompt. */
  length: number;
  /** Own keys of the last prompt's last messages, whatever stood before them. */
  recent: readonly RecentMessage[];
  /** The last prompt's text, while there is room for it. */
  text: PromptText | undefined;
  /** Who served it last. */
  replica: string;
  usedAtMs: number;
}

/** Where a prompt's messages are in its body. */
export interface PromptText extends Pick<History, "from" | "starts" | "ends"> {
  readonly body: Uint8Array;
}

/** A message by itself. */
export interface RecentMessage {
  readonly key: number;
  readonly index: number;
}

/** What stands before a prompt's messages, each as a hash; 0: there is none. */
export interface PromptHeads {
  readonly tools: number;
  /** Instructions outside the messages; 0: there are none. */
  readonly system: number;
  readonly salt: string;
  /** All of it, with the leading system messages: sessions of one kind of agent share it. */
  readonly key: number;
}

/** Bounds of what is remembered of sessions. */
export interface SessionLimits {
  readonly sessionsMax: number;
  /** Marks and keys, of all sessions together. */
  readonly marksMax: number;
  /** Bodies kept to tell what changed in them, all together. */
  readonly bodyBytesMax: number;
  readonly ttlMs: number;
}

/** The sessions seen lately, and the ways to find them. */
export interface SessionStore {
  byMark(key: number): Strand | undefined;
  byMessage(key: number): Strand | undefined;
  byHead(key: number): readonly Strand[];
  byId(id: string): readonly Strand[];
  /** Remembers the strand's new state, or a new strand. */
  put(strand: Strand, next: StrandState): void;
  readonly size: number;
  readonly bodyBytes: number;
}

/** What changes when a strand's next prompt has been served. */
export type StrandState = Pick<
  Strand,
  "marks" | "keys" | "heads" | "length" | "recent" | "text" | "replica"
>;

/**
 * Forgets what was not used for `ttlMs`, and beyond the limits the session that its tenant used
 * longest ago, of the tenant that has most: nobody pushes out another's sessions with more of its
 * own.
 */
export function createSessionStore(limits: SessionLimits, nowMs: () => number): SessionStore {
  const marks = new Map<number, Strand>();
  const messages = new Map<number, Strand>();
  const heads = new Map<number, Set<Strand>>();
  const ids = new Map<string, Set<Strand>>();
  /** Of each tenant, the one used longest ago first. */
  const tenants = new Map<string, Set<Strand>>();
  /** Strands whose body is kept, the oldest body first. */
  const bodies = new Set<Strand>();
  let size = 0;
  let places = 0;
  let bodyBytes = 0;

  const fresh = (strand: Strand | undefined): Strand | undefined => {
    if (strand === undefined || nowMs() - strand.usedAtMs <= limits.ttlMs) return strand;
    remove(strand);
    return undefined;
  };
  const freshOnes = (found: ReadonlySet<Strand> | undefined): readonly Strand[] =>
    found === undefined ? [] : [...found].filter((strand) => fresh(strand) !== undefined);

  const dropBody = (strand: Strand) => {
    if (bodies.delete(strand)) bodyBytes -= strand.text?.body.length ?? 0;
    strand.text = undefined;
  };
  const unlink = (strand: Strand, from: number) => {
    for (let index = from; index < strand.marks.length; index += 1) {
      forget(marks, strand.marks[index]!, strand);
    }
    for (const { key } of strand.recent) forget(messages, key, strand);
  };
  const remove = (strand: Strand) => {
    unlink(strand, 0);
    dropBody(strand);
    leave(heads, strand.heads.key, strand);
    leave(ids, strand.id, strand);
    leaveTenant(strand);
  };
  const leaveTenant = (strand: Strand) => {
    if (!leave(tenants, strand.tenant, strand)) return;
    size -= 1;
    places -= strand.marks.length + strand.keys.length;
  };
  const shrink = () => {
    while (size > limits.sessionsMax || places > limits.marksMax) {
      const [oldest] = largest(tenants.values());
      if (oldest === undefined) return;
      remove(oldest);
    }
  };

  return {
    byMark: (key) => fresh(marks.get(key)),
    byMessage: (key) => fresh(messages.get(key)),
    byHead: (key) => freshOnes(heads.get(key)),
    byId: (id) => freshOnes(ids.get(id)),
    put: (strand, next) => {
      const common = commonLength(strand.marks, next.marks);
      unlink(strand, common);
      dropBody(strand);
      leave(heads, strand.heads.key, strand);
      leaveTenant(strand);
      Object.assign(strand, next);
      strand.usedAtMs = nowMs();
      for (let index = common; index < strand.marks.length; index += 1) {
        marks.set(strand.marks[index]!, strand);
      }
      for (const { key } of strand.recent) messages.set(key, strand);
      join(heads, strand.heads.key, strand);
      join(ids, strand.id, strand);
      join(tenants, strand.tenant, strand);
      size += 1;
      places += strand.marks.length + strand.keys.length;
      if (strand.text !== undefined) {
        bodies.add(strand);
        bodyBytes += strand.text.body.length;
        for (const oldest of bodies) {
          if (bodyBytes <= limits.bodyBytesMax) break;
          dropBody(oldest);
        }
      }
      shrink();
    },
    get size() {
      return size;
    },
    get bodyBytes() {
      return bodyBytes;
    },
  };
}

/** How many leading entries are equal. */
export function commonLength(one: ArrayLike<number>, other: ArrayLike<number>): number {
  const length = Math.min(one.length, other.length);
  let common = 0;
  while (common < length && one[common] === other[common]) common += 1;
  return common;
}

function largest(sets: Iterable<Set<Strand>>): Iterable<Strand> {
  let found: ReadonlySet<Strand> = new Set();
  for (const set of sets) if (set.size > found.size) found = set;
  return found;
}

function forget(index: Map<number, Strand>, key: number, strand: Strand): void {
  if (index.get(key) === strand) index.delete(key);
}

function join<K>(index: Map<K, Set<Strand>>, key: K, strand: Strand): void {
  const set = index.get(key);
  if (set === undefined) index.set(key, new Set([strand]));
  else set.add(strand);
}

/** True when it was there. */
function leave<K>(index: Map<K, Set<Strand>>, key: K, strand: Strand): boolean {
  const set = index.get(key);
  const wasThere = set?.delete(strand) ?? false;
  if (set?.size === 0) index.delete(key);
  return wasThere;
}
