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
  recent: RecentMessages;
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

/** Of a prompt's last messages those that tell sessions apart, the last one first. */
export interface RecentMessages {
  /** Of the first message that was looked at: from there on these are all that there are. */
  readonly from: number;
  readonly found: readonly RecentMessage[];
}

/** Of a prompt that has none. */
export const noMessages: RecentMessages = { from: 0, found: [] };

/** A message by itself, by a key of its own, whatever stands before it. */
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
 * Forgets what was not used for `ttlMs`. Beyond the limits a tenant that has more than most pays
 * for a new session with its own oldest, and one that has few with that of another: nobody pushes
 * out others' sessions with more of its own.
 */
export function createSessionStore(limits: SessionLimits, nowMs: () => number): SessionStore {
  const marks = new Map<number, Strand>();
  const messages = new Map<number, Strand>();
  const heads = new Map<number, Set<Strand>>();
  const ids = new Map<string, Set<Strand>>();
  /** Of each tenant, the one used longest ago first. */
  const tenants = new Map<string, Set<Strand>>();
  const texts = createTextBudget(limits.bodyBytesMax);
  let size = 0;
  let places = 0;

  const fresh = (strand: Strand | undefined): Strand | undefined => {
    if (strand === undefined || nowMs() - strand.usedAtMs <= limits.ttlMs) return strand;
    remove(strand);
    return undefined;
  };
  const freshOnes = (found: ReadonlySet<Strand> | undefined): readonly Strand[] =>
    found === undefined ? [] : [...found].filter((strand) => fresh(strand) !== undefined);

  const unlink = (strand: Strand, from: number) => {
    for (let index = from; index < strand.marks.length; index += 1) {
      forget(marks, strand.marks[index]!, strand);
    }
    for (const { key } of strand.recent.found) forget(messages, key, strand);
  };
  const remove = (strand: Strand) => {
    unlink(strand, 0);
    texts.drop(strand);
    leave(heads, strand.heads.key, strand);
    leave(ids, strand.id, strand);
    leaveTenant(strand);
    // A call that is under way may bring it back: then all of its marks are new.
    strand.marks = new Float64Array();
  };
  const leaveTenant = (strand: Strand) => {
    if (!leave(tenants, strand.tenant, strand)) return;
    size -= 1;
    places -= strand.marks.length + strand.keys.length;
  };
  const shrink = (tenant: string) => {
    while (size > limits.sessionsMax || places > limits.marksMax) {
      const own = tenants.get(tenant);
      const hasMuch = own !== undefined && own.size * tenants.size > size;
      const [oldest] = hasMuch ? own : largest(tenants.values());
      if (oldest === undefined) return;
      remove(oldest);
    }
  };

  return {
    byMark: (key) => fresh(marks.get(key)),
    byMessage: (key) => fresh(messages.get(key)),
    byHead: (key) => {
      const found = heads.get(key);
      return found === undefined || found.size > headStrandsMax ? [] : freshOnes(found);
    },
    byId: (id) => freshOnes(ids.get(id)),
    put: (strand, next) => {
      const common = commonLength(strand.marks, next.marks);
      unlink(strand, common);
      texts.drop(strand);
      leave(heads, strand.heads.key, strand);
      leaveTenant(strand);
      Object.assign(strand, next);
      strand.usedAtMs = nowMs();
      for (let index = common; index < strand.marks.length; index += 1) {
        marks.set(strand.marks[index]!, strand);
      }
      for (const { key } of strand.recent.found) messages.set(key, strand);
      join(heads, strand.heads.key, strand);
      join(ids, strand.id, strand);
      const own = tenants.get(strand.tenant) ?? new Set();
      own.add(strand);
      // To the end of the map's order: the first tenants are those that came longest ago.
      tenants.delete(strand.tenant);
      tenants.set(strand.tenant, own);
      size += 1;
      places += strand.marks.length + strand.keys.length;
      texts.keep(strand);
      shrink(strand.tenant);
    },
    get size() {
      return size;
    },
    get bodyBytes() {
      return texts.bytes;
    },
  };
}

/** The bytes of a message of the last prompt; undefined where they were not kept. */
export function messageAt({ text }: Strand, index: number): Uint8Array | undefined {
  const end = text?.ends[index];
  return text === undefined || end === undefined
    ? undefined
    : text.body.subarray(text.from + text.starts[index]!, text.from + end);
}

/** Keeps the texts of the strands that were used last, as far as there is room. */
function createTextBudget(bytesMax: number) {
  /** The oldest text first. */
  const strands = new Set<Strand>();
  let bytes = 0;
  const drop = (strand: Strand) => {
    if (strands.delete(strand)) bytes -= strand.text?.body.length ?? 0;
    strand.text = undefined;
  };
  return {
    drop,
    keep: (strand: Strand) => {
      if (strand.text === undefined) return;
      strands.add(strand);
      bytes += strand.text.body.length;
      for (const oldest of strands) {
        if (bytes <= bytesMax) break;
        drop(oldest);
      }
    },
    get bytes() {
      return bytes;
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

/** Among more strands of one kind of agent nobody could tell which is meant. */
const headStrandsMax = 64;

/** Tenants among which one that has much is looked for: those that came longest ago. */
const tenantsLookedAtMax = 64;

function largest(sets: Iterable<Set<Strand>>): Iterable<Strand> {
  let found: ReadonlySet<Strand> = new Set();
  let count = 0;
  for (const set of sets) {
    if (set.size > found.size) found = set;
    count += 1;
    if (count === tenantsLookedAtMax) break;
  }
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
