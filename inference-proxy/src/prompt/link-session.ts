import { isSameButMarks } from "./compare-messages.ts";
import type { HeardEnds } from "./heard-ends.ts";
import type { History } from "./history.ts";
import { isSystemRole, roleOf } from "./message.ts";
import type { Before } from "./recent-messages.ts";
import {
  commonLength,
  messageAt,
  type PromptHeads,
  type RecentMessages,
  type SessionStore,
  type Strand,
} from "./session-store.ts";
import type { StatedSession } from "./stated-session.ts";
import type { SessionKind, SessionLink } from "./types.ts";

/** A prompt as sessions look at it. */
export interface PromptTrace {
  readonly tenant: string;
  /** What sessions must have in common: tenant, model, and the name or group that was stated. */
  readonly scope: number;
  readonly stated: StatedSession | undefined;
  readonly keys: ArrayLike<number>;
  /** A key for each place where a prompt may have ended: messages, or chunks where it has none. */
  readonly marks: Float64Array;
  readonly heads: PromptHeads;
  readonly history: Pick<History, "from" | "starts" | "ends" | "length">;
  readonly bytes: Uint8Array;
  /** At most so many of its last messages. What it has from `before`, if any, is not read again. */
  readonly recent: (count: number, before?: Before) => RecentMessages;
}

/** The session found for a prompt. */
export interface Found {
  readonly link: SessionLink;
  /** The strand that the prompt goes on with; undefined where it begins one. */
  readonly strand: Strand | undefined;
  /** The strand that it has most in common with, where that says who may hold its prefix. */
  readonly origin: Strand | undefined;
}

/** Strands that one stated session may have: an agent and its sub-agents under one name. */
export const strandsPerSessionMax = 4;

/**
 * Finds out which session a prompt goes on with. Looked for in this order: the strand whose last
 * prompt is a prefix of it; one whose last messages it still has, though something before them
 * changed; the session that the client names; one that another proxy has served; one that it
 * branched off from; one that it sums up.
 */
export function linkSession(store: SessionStore, heard: HeardEnds, trace: PromptTrace): Found {
  const deepest = deepestMark(store, trace);
  if (deepest !== undefined && isEnd(deepest, trace) && isSameKind(deepest, trace)) {
    return going("continuation", deepest.strand, trace);
  }
  if (deepest !== undefined && isRetouched(deepest, trace)) {
    const { strand, index } = deepest;
    const isSame = isOnlyMarked(strand, trace, index + 1, strand.marks.length);
    return going(isSame ? "continuation" : "rewrite", strand, trace);
  }
  const kept = keptMessage(store, trace, deepest?.index ?? -1);
  if (kept !== undefined) {
    return going(kept.hasMoved ? "compaction" : "rewrite", kept.strand, trace);
  }
  return trace.stated === undefined
    ? (heardElsewhere(heard, trace, deepest) ?? discover(store, trace, deepest))
    : goOnAsStated(store, trace, trace.stated, deepest);
}

interface Mark {
  readonly strand: Strand;
  readonly index: number;
}

function deepestMark(store: SessionStore, { marks, scope }: PromptTrace): Mark | undefined {
  for (let index = marks.length - 1; index >= 0; index -= 1) {
    const strand = store.byMark(marks[index]!);
    if (strand !== undefined && strand.scope === scope) return { strand, index };
  }
  return undefined;
}

/** True when the strand's last prompt ended there. */
function isEnd({ strand, index }: Mark, { history }: PromptTrace): boolean {
  const last = strand.marks.length - 1;
  // The last mark of a prompt without messages is wherever in a chunk it ended, which the next
  // one's marks do not tell.
  return index === last || (history.ends.length === 0 && index === last - 1);
}

/**
 * False for two prompts that are only alike by chance: the same question, with other tools or
 * instructions, before any answer.
 */
function isSameKind({ strand, index }: Mark, trace: PromptTrace): boolean {
  const { tools, system } = strand.heads;
  return (
    trace.stated !== undefined ||
    (tools === trace.heads.tools && system === trace.heads.system) ||
    hasAnswer(trace, index)
  );
}

/** Last messages of a prompt that may be written otherwise in the next one. */
const retouchedMax = 4;

/**
 * True when the prompt has as many messages as the strand's last one and an answer after them, and
 * only some of the last ones differ: clients of Anthropic's API move their marks for its cache.
 */
function isRetouched({ strand, index }: Mark, { marks, history, bytes }: PromptTrace): boolean {
  const count = strand.marks.length;
  const { from, starts, ends } = history;
  return (
    ends.length > 0 &&
    marks.length > count &&
    count - 1 - index <= retouchedMax &&
    roleOf(bytes, from + starts[count]!, from + ends[count]!) === "assistant"
  );
}

/**
 * True when the messages from `first` to before `end` differ from the strand's in nothing that a
 * model sees.
 */
export function isOnlyMarked(
  strand: Strand,
  { bytes, history }: PromptTrace,
  first: number,
  end: number,
): boolean {
  if (strand.text === undefined) return false;
  const { from, starts, ends } = history;
  for (let index = first; index < end; index += 1) {
    const before = messageAt(strand, index);
    const now = bytes.subarray(from + starts[index]!, from + ends[index]!);
    if (before === undefined || !isSameButMarks(before, now)) return false;
  }
  return true;
}

/** Telling messages that are looked up: a turn may bring many results of tools. */
const lookedUpMax = 24;

/** Where one of the last messages is known, later than the chain leads. */
function keptMessage(
  store: SessionStore,
  trace: PromptTrace,
  chainEnd: number,
): { readonly strand: Strand; readonly hasMoved: boolean } | undefined {
  for (const { key, index } of trace.recent(lookedUpMax).found) {
    if (index <= chainEnd) continue;
    const strand = store.byMessage(key);
    if (strand === undefined || strand.scope !== trace.scope) continue;
    const before = strand.recent.found.find((message) => message.key === key);
    return { strand, hasMoved: before !== undefined && index < before.index };
  }
  return undefined;
}

/** The client says which session it is: only how it goes on is to be found out. */
function goOnAsStated(
  store: SessionStore,
  trace: PromptTrace,
  stated: StatedSession,
  deepest: Mark | undefined,
): Found {
  const id = statedId(trace.tenant, stated.id);
  const strands = store.byId(id).filter(({ scope }) => scope === trace.scope);
  const latest = deepest?.strand ?? latestOf(strands);
  if (latest === undefined) return beginning("new", id, trace, undefined);
  const isBranch = deepest !== undefined && hasAnswer(trace, deepest.index);
  const kind = isBranch ? "fork" : isMuchShorter(trace, latest) ? "compaction" : "rewrite";
  return strands.length < strandsPerSessionMax
    ? beginning(kind, id, trace, latest)
    : { ...going(kind, oldestOf(strands), trace), origin: latest };
}

/** It begins with a prompt that another proxy served, and has more of that than of any here. */
function heardElsewhere(
  heard: HeardEnds,
  trace: PromptTrace,
  deepest: Mark | undefined,
): Found | undefined {
  const end = heard.find(trace.marks);
  return end === undefined || end.index <= (deepest?.index ?? -1)
    ? undefined
    : beginning("continuation", end.sessionId, trace, undefined);
}

/** Nobody says anything: what the prompt begins with has to tell. */
function discover(store: SessionStore, trace: PromptTrace, deepest: Mark | undefined): Found {
  const last = trace.marks.at(-1);
  const name = `${trace.tenant}/~${(last ?? trace.scope).toString(36)}`;
  const id = store.byId(name).length === 0 ? name : freeId(store, name);
  if (deepest !== undefined && hasAnswer(trace, deepest.index)) {
    return beginning("fork", id, trace, deepest.strand, deepest.strand.id);
  }
  const summed = isSummary(trace) ? theOnly(store.byHead(trace.heads.key), trace) : undefined;
  return summed === undefined
    ? beginning("new", id, trace, undefined)
    : beginning("compaction", summed.id, trace, summed);
}

function going(kind: SessionKind, strand: Strand, trace: PromptTrace): Found {
  return { link: linkOf(kind, strand.id, trace, strand, strand.parentId), strand, origin: strand };
}

function beginning(
  kind: SessionKind,
  id: string,
  trace: PromptTrace,
  origin: Strand | undefined,
  parentId?: string,
): Found {
  const parent = parentId ?? origin?.parentId;
  return { link: linkOf(kind, id, trace, origin, parent), strand: undefined, origin };
}

function linkOf(
  kind: SessionKind,
  id: string,
  { keys, stated, tenant }: PromptTrace,
  origin: Strand | undefined,
  parentId: string | undefined,
): SessionLink {
  const parent = stated?.parentId === undefined ? parentId : statedId(tenant, stated.parentId);
  return {
    id,
    source: stated?.source ?? "prompt",
    kind,
    commonChunks: origin === undefined ? 0 : commonLength(origin.keys, keys),
    ...(parent === undefined ? {} : { parentId: parent }),
  };
}

/** A tenant's name has no slash and a discovered id begins with "~", so ids cannot be forged. */
function statedId(tenant: string, id: string): string {
  return `${tenant}/=${id}`;
}

function freeId(store: SessionStore, name: string): string {
  let number = 2;
  while (store.byId(`${name}.${number}`).length > 0) number += 1;
  return `${name}.${number}`;
}

/** True when something that a model wrote is among the messages up to this one. */
function hasAnswer({ history, bytes }: PromptTrace, last: number): boolean {
  const { from, starts, ends } = history;
  for (let index = Math.min(last, ends.length - 1); index >= 0; index -= 1) {
    if (roleOf(bytes, from + starts[index]!, from + ends[index]!) === "assistant") return true;
  }
  return false;
}

/** A summary is far shorter than what it sums up, or it would not be made. */
function isMuchShorter({ history }: PromptTrace, strand: Strand): boolean {
  return history.length * 2 <= strand.length;
}

/** Bytes of the first message that are searched for the words of a summary. */
const summaryBytesMax = 1024;
const summaryWords =
  /<summary>|continued from a previous|summar(?:y|i[sz]e[ds]?|i[sz]ing)\b[^.]{0,80}\b(?:conversation|session|history|context|so far|work|progress|thinking)|\b(?:conversation|session|history|context)\b[^.]{0,80}\b(?:summar|compact)/i;

/** True when the first message after the system's speaks of a conversation that was summed up. */
function isSummary({ history, bytes }: PromptTrace): boolean {
  const { from, starts, ends } = history;
  for (let index = 0; index < ends.length; index += 1) {
    const start = from + starts[index]!;
    const end = from + ends[index]!;
    if (!isSystemRole(roleOf(bytes, start, end))) {
      const head = bytes.subarray(start, Math.min(end, start + summaryBytesMax));
      return summaryWords.test(Buffer.from(head).toString("latin1"));
    }
  }
  return false;
}

/** Among several agents of one kind nobody can tell whose summary it is. */
function theOnly(strands: readonly Strand[], trace: PromptTrace): Strand | undefined {
  const longer = strands.filter(
    (strand) => strand.scope === trace.scope && isMuchShorter(trace, strand),
  );
  return new Set(longer.map(({ id }) => id)).size === 1 ? latestOf(longer) : undefined;
}

function latestOf(strands: readonly Strand[]): Strand | undefined {
  return strands.reduce<Strand | undefined>(
    (latest, strand) =>
      latest === undefined || strand.usedAtMs >= latest.usedAtMs ? strand : latest,
    undefined,
  );
}

function oldestOf(strands: readonly Strand[]): Strand {
  return strands.reduce((oldest, strand) => (strand.usedAtMs < oldest.usedAtMs ? strand : oldest));
}
