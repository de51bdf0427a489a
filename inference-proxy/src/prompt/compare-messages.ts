import type { CacheBreakCause } from "./types.ts";

/** What two versions of one message differ in. */
export interface Difference {
  /** Undefined: nothing that has a name of its own. */
  readonly cause: CacheBreakCause | undefined;
  /** Offset in the new one of the first byte that differs. */
  readonly firstDifference: number;
}

/** Longer messages are only looked at where they differ: parsing both would take milliseconds. */
const parsedBytesMax = 262_144;
/** Bytes on both sides of a difference in which a date or a time is looked for. */
const windowBytes = 40;

const decoder = new TextDecoder();

/** Says what happened to a message, from its bytes before and now. */
export function compareMessages(before: Uint8Array, now: Uint8Array, role: string): Difference {
  const firstDifference = firstDifferenceOf(before, now);
  return { cause: causeOf(before, now, role, firstDifference), firstDifference };
}

/**
 * True when two versions of a message say the same to a model: only marks for a cache differ, which
 * clients move along from turn to turn, and what they are hung on.
 */
export function isSameButMarks(before: Uint8Array, now: Uint8Array): boolean {
  if (before.length > parsedBytesMax || now.length > parsedBytesMax) return false;
  const old = parse(before);
  const current = parse(now);
  return (
    old !== undefined &&
    current !== undefined &&
    JSON.stringify(withoutMarks(old)) === JSON.stringify(withoutMarks(current))
  );
}

function causeOf(
  before: Uint8Array,
  now: Uint8Array,
  role: string,
  at: number,
): CacheBreakCause | undefined {
  if (isTimeAt(before, at) && isTimeAt(now, at)) return "timestamp";
  if (before.length > parsedBytesMax || now.length > parsedBytesMax) return undefined;
  const old = parse(before);
  const current = parse(now);
  if (old === undefined || current === undefined) return undefined;
  if (canonical(old) === canonical(current)) return "members-reordered";
  const isStripped =
    role === "assistant" &&
    canonical(withoutThinking(old)) === canonical(withoutThinking(current)) &&
    before.length > now.length;
  return isStripped ? "thinking-stripped" : undefined;
}

function firstDifferenceOf(one: Uint8Array, other: Uint8Array): number {
  const length = Math.min(one.length, other.length);
  let at = 0;
  while (at < length && one[at] === other[at]) at += 1;
  return at;
}

/** ISO and written dates, times of day, seconds or milliseconds since 1970. */
const times =
  /\d{4}-\d{2}-\d{2}|\d{1,2}:\d{2}(?::\d{2})?|\b1[5-9]\d{8}(?:\d{3})?\b|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]* \d{1,2}\b|\b\d{1,2} (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)|\b\d{1,2}[/.]\d{1,2}[/.]\d{2,4}\b|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b/gi;

/** True when the byte lies in something that reads as a date or a time. */
function isTimeAt(bytes: Uint8Array, at: number): boolean {
  const start = Math.max(0, at - windowBytes);
  // Bytes as characters: positions stay what they are.
  const text = Buffer.from(bytes.subarray(start, at + windowBytes)).toString("latin1");
  for (const match of text.matchAll(times)) {
    const from = start + match.index;
    if (from <= at && at < from + match[0].length) return true;
  }
  return false;
}

/** Members of a message, and parts of its content, that hold what a model thought. */
const thinkingMembers: ReadonlySet<string> = new Set([
  "reasoning",
  "reasoning_content",
  "reasoning_details",
  "thinking",
  "thinking_blocks",
]);
const thinkingParts: ReadonlySet<unknown> = new Set(["thinking", "redacted_thinking", "reasoning"]);
const thinkingText = /<think(?:ing)?>.*?<\/think(?:ing)?>\s*/gs;

function withoutThinking(message: unknown): unknown {
  if (!isRecord(message)) return message;
  const kept = Object.entries(message).filter(([name]) => !thinkingMembers.has(name));
  const { content, ...rest } = Object.fromEntries(kept);
  if (typeof content === "string") return { ...rest, content: content.replace(thinkingText, "") };
  if (!Array.isArray(content)) return { ...rest, content };
  const parts = content.filter((part) => !isRecord(part) || !thinkingParts.has(part["type"]));
  return { ...rest, content: parts };
}

function withoutMarks(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutMarks);
  if (!isRecord(value)) return value;
  const kept: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) {
    if (name !== "cache_control") kept[name] = withoutMarks(member);
  }
  // A text that gets a mark becomes a list of one part.
  const { content } = kept;
  return typeof content === "string"
    ? { ...kept, content: [{ type: "text", text: content }] }
    : kept;
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_name, member: unknown) =>
    isRecord(member)
      ? Object.fromEntries(Object.entries(member).sort(([one], [other]) => (one < other ? -1 : 1)))
      : member,
  );
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch {
    // The engine will say so; there is nothing to compare.
    return undefined;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
