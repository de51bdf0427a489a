import { type History, keyOf } from "./history.ts";
import { roleOf } from "./message.ts";
import { mixKey } from "./mix.ts";
import {
  commonLength,
  type RecentMessage,
  type RecentMessages,
  type Strand,
} from "./session-store.ts";
import type { HashBytes } from "./types.ts";

/** How many of a prompt's last messages are looked at to find telling ones. */
const lookedAtMax = 48;
/** Shorter answers ("Done.") are everybody's. */
const answerBytesMin = 160;
/** Bytes of a message in which the id of a call is looked for. */
const tellingBytesMax = 4096;
const callMarks = ['"tool_', '"call_id"'].map((mark) => Buffer.from(mark));

/** A prompt whose last messages are looked at. */
export interface Messages {
  readonly hash: HashBytes;
  readonly bytes: Uint8Array;
  readonly history: Pick<History, "from" | "starts" | "ends">;
  readonly scope: number;
  readonly marks: Float64Array;
}

/** The prompt of the same scope that came before, as far as it is needed here. */
export type Before = Pick<Strand, "marks" | "recent">;

/**
 * The last messages that tell sessions apart, at most `count`. Those that the prompt has in common
 * with the one before it were looked at then: a turn costs what is new in it.
 */
export function recentMessages(
  messages: Messages,
  count: number,
  before: Before | undefined,
): RecentMessages {
  const { ends } = messages.history;
  const common = before === undefined ? 0 : commonLength(before.marks, messages.marks);
  const known = before?.recent.from ?? 0;
  const first = Math.max(0, ends.length - lookedAtMax);
  const found: RecentMessage[] = [];
  let index = ends.length;
  while (index > first && found.length < count) {
    index -= 1;
    const message =
      index < common && index >= known
        ? before?.recent.found.find((one) => one.index === index)
        : ownKeyed(messages, index);
    if (message !== undefined) found.push(message);
  }
  return { from: index, found };
}

/** Undefined for a message that does not tell sessions apart. */
function ownKeyed(
  { hash, bytes, history, scope }: Messages,
  index: number,
): RecentMessage | undefined {
  const { from, starts, ends } = history;
  const start = bytes.byteOffset + from + starts[index]!;
  const message = Buffer.from(bytes.buffer, start, ends[index]! - starts[index]!);
  return isTelling(message) ? { key: mixKey(keyOf(hash(message, 2n)), scope), index } : undefined;
}

/**
 * True for a message that hardly another session has: a call or a result, which have ids, or an
 * answer of some length.
 */
function isTelling(message: Buffer): boolean {
  if (message.length >= answerBytesMin && roleOf(message, 0, message.length) === "assistant") {
    return true;
  }
  const isLong = message.length > tellingBytesMax;
  const head = isLong ? message.subarray(0, tellingBytesMax) : message;
  for (const mark of callMarks) {
    if (head.includes(mark)) return true;
  }
  return false;
}
