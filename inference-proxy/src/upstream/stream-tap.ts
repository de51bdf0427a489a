import {
  endOfString,
  endOfValue,
  keyBytes,
  lastValue,
  nextValue,
  searchable,
} from "./json-scan.ts";
import { dataOf, splitEvents } from "./sse.ts";
import { toolNameIn } from "./tool-name.ts";

/*
 * Looks at every block of a stream on its way through. Cost per block: six native byte searches;
 * nothing is parsed but a usage event that has to go, and what an engine folded over several lines.
 * The tests hold the plain version, which parses every event.
 */

/** What the tap has seen of a stream so far. */
export interface StreamFacts {
  /** The last `finish_reason` that was not null. */
  readonly finishReason: string | undefined;
  /** Events that carried a choice: about the number of tokens where no usage is reported. */
  readonly choiceEvents: number;
  /** True once an event carried an error. */
  readonly isFailed: boolean;
  /** True once the upstream claimed an end that is none; nothing is handed on from there. */
  readonly isFalseEnd: boolean;
  /** The last usage object's bytes; decoded once, at the end. */
  readonly usage: Uint8Array | undefined;
  /** What a format says of the prompt's tokens before the answer; absent where it says nothing. */
  readonly promptUsage?: Uint8Array | undefined;
  /** The first tool that the answer calls; absent while it calls none. */
  readonly toolName?: string | undefined;
}

/** Watches one stream. */
export interface StreamTap {
  readonly facts: StreamFacts;
  /**
   * What to hand on of the block: the same bytes, except where a rule of the tap's options cuts
   * some out.
   */
  inspect(block: Uint8Array): Uint8Array;
}

const finishKey = keyBytes("finish_reason");
const errorKey = keyBytes("error");
const usageKey = keyBytes("usage");
const doneMark = Buffer.from("[DONE]");
const dataField = Buffer.from("data:");
const dataLine = Buffer.from("\ndata:");
const quote = 0x22;
const openBrace = 0x7b;
const space = 0x20;
const newline = 0x0a;

/** `finish_reason` of an engine that gave up: the answer is not finished, whatever follows. */
const abortReason = "abort";
const abortValue = Buffer.from(`"${abortReason}"`);

/** `dropsUsage` takes out the usage event that the client did not ask for and that we did. */
export function createStreamTap({ dropsUsage }: { readonly dropsUsage: boolean }): StreamTap {
  const facts = {
    finishReason: undefined as string | undefined,
    choiceEvents: 0,
    isFailed: false,
    isFalseEnd: false,
    usage: undefined as Uint8Array | undefined,
    toolName: undefined as string | undefined,
  };

  /** Reads the finish reasons; the position of one that gives up, or -1. */
  const scanFinish = (bytes: Buffer): number => {
    for (let at = nextValue(bytes, finishKey, 0); at >= 0; at = nextValue(bytes, finishKey, at)) {
      facts.choiceEvents += 1;
      if (bytes[at] !== quote) {
        continue;
      }
      const reason = bytes.toString("utf8", at + 1, endOfString(bytes, at) - 1);
      if (reason === abortReason) {
        return at;
      }
      facts.finishReason = reason;
    }
    return -1;
  };

  const inspect = (block: Uint8Array): Uint8Array => {
    const bytes = searchable(block);
    const abortAt = scanFinish(bytes);
    const errorAt = nextValue(bytes, errorKey, 0);
    facts.isFailed ||= errorAt >= 0 && (bytes[errorAt] === openBrace || bytes[errorAt] === quote);
    const falseEnd = abortAt >= 0 ? abortAt : unfinishedDone(bytes, facts);
    facts.isFalseEnd = falseEnd >= 0;
    facts.toolName ??= toolNameIn(bytes, "chat");
    const usage = lastUsage(bytes);
    facts.usage = usage ?? facts.usage;
    const honest = falseEnd < 0 ? block : block.subarray(0, startOfEvent(bytes, falseEnd));
    return usage !== undefined && dropsUsage ? withoutUsageEvents(honest) : honest;
  };

  /** The same, event by event, each looked at with its data on one line. */
  const inspectFolded = (block: Uint8Array): Uint8Array => {
    const kept: Uint8Array[] = [];
    for (const event of splitEvents(block)) {
      const data = dataOf(event);
      const flat = data === undefined ? event : Buffer.from(`data: ${flatten(data)}\n\n`);
      const isKept = inspect(flat).length > 0;
      if (facts.isFalseEnd) {
        break;
      }
      if (isKept) {
        kept.push(event);
      }
    }
    return Buffer.concat(kept);
  };

  return {
    facts,
    inspect: (block) => (isFolded(searchable(block)) ? inspectFolded(block) : inspect(block)),
  };
}

/** No line break of a JSON text is inside one of its strings. */
function flatten(json: string): string {
  return json.replaceAll("\n", " ");
}

/** True when an event has its data on several lines, which no engine known to us writes. */
function isFolded(bytes: Buffer): boolean {
  for (let at = bytes.indexOf(dataLine); at >= 0; at = bytes.indexOf(dataLine, at + 1)) {
    const lineAt = at === 0 ? 0 : bytes.lastIndexOf(newline, at - 1) + 1;
    if (bytes.subarray(lineAt, lineAt + dataField.length).equals(dataField)) {
      return true;
    }
  }
  return false;
}

/** The bytes of the last usage object; undefined when there is none, or none that is not null. */
function lastUsage(bytes: Buffer): Uint8Array | undefined {
  let last = -1;
  for (let at = nextValue(bytes, usageKey, 0); at >= 0; at = nextValue(bytes, usageKey, at)) {
    last = bytes[at] === openBrace ? at : last;
  }
  return last < 0 ? undefined : bytes.subarray(last, endOfValue(bytes, last));
}

/** True for a whole answer that the engine gave up, as it does when it is going away. */
export function isGivenUp(answer: Uint8Array): boolean {
  const bytes = searchable(answer);
  const at = lastValue(bytes, finishKey);
  return at >= 0 && abortValue.compare(bytes, at, endOfString(bytes, at)) === 0;
}

/** Where the stream claims its end without having finished or failed; -1 where it does not. */
function unfinishedDone(bytes: Buffer, facts: StreamFacts): number {
  if (facts.finishReason !== undefined || facts.isFailed) {
    return -1;
  }
  for (let at = bytes.indexOf(doneMark); at >= 0; at = bytes.indexOf(doneMark, at + 1)) {
    const fieldAt = at - dataField.length - (bytes[at - 1] === space ? 1 : 0);
    const isLine = fieldAt === 0 || bytes[fieldAt - 1] === newline;
    if (isLine && bytes.subarray(fieldAt, fieldAt + dataField.length).equals(dataField)) {
      return fieldAt;
    }
  }
  return -1;
}

function startOfEvent(bytes: Buffer, at: number): number {
  const lineFeeds = bytes.lastIndexOf("\n\n", at);
  const carriageReturns = bytes.lastIndexOf("\n\r\n", at);
  return Math.max(lineFeeds < 0 ? 0 : lineFeeds + 2, carriageReturns < 0 ? 0 : carriageReturns + 3);
}

/**
 * The block without events that have no choice: in OpenAI's API that is the usage event and no
 * other.
 */
function withoutUsageEvents(block: Uint8Array): Uint8Array {
  const kept = splitEvents(block).filter((event) => !isUsageEvent(event));
  return kept.length === 1 && kept[0] !== undefined ? kept[0] : Buffer.concat(kept);
}

function isUsageEvent(event: Uint8Array): boolean {
  if (lastUsage(searchable(event)) === undefined) {
    return false;
  }
  try {
    // What is not an object has no members.
    const chunk = JSON.parse(dataOf(event) ?? "null") as { choices?: unknown } | null;
    return Array.isArray(chunk?.choices) && chunk.choices.length === 0;
  } catch {
    // Not JSON: not the usage event, and the client's to judge.
    return false;
  }
}
