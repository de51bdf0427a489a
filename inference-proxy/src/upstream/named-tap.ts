import { searchable } from "./json-scan.ts";
import { dataOf, splitEvents } from "./sse.ts";
import type { StreamTap } from "./stream-tap.ts";
import { toolNameIn } from "./tool-name.ts";
import type { WireFormat } from "./wire-format.ts";

/*
 * Watches the streams whose events have names: Anthropic's messages and OpenAI's responses. Cost
 * per block: four to six native byte searches; only the few events that begin, end or break an
 * answer are parsed. A quoted mark cannot occur inside a JSON string, where its quotes would be
 * escaped.
 */

/** What one parsed event of a stream may change; the tap gives it to its format's reader. */
export interface NamedFacts {
  finishReason: string | undefined;
  choiceEvents: number;
  isFailed: boolean;
  isFalseEnd: boolean;
  usage: Uint8Array | undefined;
  promptUsage?: Uint8Array;
  toolName: string | undefined;
}

/** What tells one format of named events from another. */
export interface NamedFormat {
  readonly name: Exclude<WireFormat, "chat">;
  /** Quoted bytes of which at least one is in every event that has to be parsed. */
  readonly marks: readonly Buffer[];
  /** Quoted bytes that every event with a piece of the answer has exactly once. */
  readonly pieceMark: Buffer;
  /** Takes in one parsed event. */
  read(event: Readonly<Record<string, unknown>>, facts: NamedFacts): void;
}

/** A tap over named events; it cuts nothing out but a false end and what follows it. */
export function createNamedTap(format: NamedFormat): StreamTap {
  const facts: NamedFacts = {
    finishReason: undefined,
    choiceEvents: 0,
    isFailed: false,
    isFalseEnd: false,
    usage: undefined,
    toolName: undefined,
  };

  /** The bytes before the event that claims a false end; all of them where none does. */
  const readMarked = (block: Uint8Array): Uint8Array => {
    let kept = 0;
    for (const event of splitEvents(block)) {
      if (hasMark(searchable(event), format.marks)) {
        const parsed = parseEvent(event);
        if (parsed !== undefined) {
          format.read(parsed, facts);
        }
      }
      if (facts.isFalseEnd) {
        return block.subarray(0, kept);
      }
      kept += event.length;
    }
    return block;
  };

  return {
    facts,
    inspect: (block) => {
      const bytes = searchable(block);
      facts.choiceEvents += countOf(bytes, format.pieceMark);
      facts.toolName ??= toolNameIn(bytes, format.name);
      return hasMark(bytes, format.marks) ? readMarked(block) : block;
    },
  };
}

function hasMark(bytes: Buffer, marks: readonly Buffer[]): boolean {
  for (const mark of marks) {
    if (bytes.includes(mark)) {
      return true;
    }
  }
  return false;
}

function countOf(bytes: Buffer, mark: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at + mark.length)) {
    count += 1;
  }
  return count;
}

function parseEvent(event: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    return recordAt(JSON.parse(dataOf(event) ?? "null"));
  } catch {
    // Not JSON: no event of these formats, and the client's to judge.
    return undefined;
  }
}

/** The value as an object; undefined for anything else. */
export function recordAt(value: unknown): Readonly<Record<string, unknown>> | undefined {
  // A non-null object that is no list has members by name.
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

/** A usage object as the bytes that `parseUsage` reads. */
export function bytesOf(usage: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(usage));
}
