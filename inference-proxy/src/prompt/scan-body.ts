import { WarmpathError } from "@warmpath/runtime/base";
import { searchable, skipSpace } from "../upstream/json-scan.ts";
import { closingQuote, endOfJsonValue, quote } from "./json-walk.ts";
import { knownName } from "./member-names.ts";
import { notJsonText, readValue } from "./read-value.ts";

/** One member of the body's object, as byte offsets. */
export interface Member {
  /** With its escapes read. */
  readonly name: string;
  /** Of the name's opening quote. */
  readonly at: number;
  readonly valueAt: number;
  readonly valueEnd: number;
}

/** A body's members, found and not read. */
export interface BodyScan {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** In the body's order, duplicates included. */
  readonly members: readonly Member[];
  /** Of the opening brace. */
  readonly open: number;
}

/** Walks over a value in a way of its own and returns its end; undefined: the usual way. */
export type WalkMember = (name: string, valueAt: number) => number | undefined;

/** Requests have some thirty members; a body of a million empty ones must not cost seconds. */
export const membersMax = 1024;

const openBrace = 0x7b;
const closeBrace = 0x7d;
const comma = 0x2c;
const colon = 0x3a;

/**
 * Finds the members of the one object that the bytes must hold. Throws `rejected-invalid` where the
 * object itself is broken: no object, an unterminated value, a missing comma, something after its
 * end. What is wrong inside a value is not seen here. A UTF-8 byte order mark is passed over, as
 * JSON parsers that take bytes do.
 */
export function scanBody(bytes: Uint8Array<ArrayBuffer>, walk?: WalkMember): BodyScan {
  const hasMark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  const open = skipSpace(bytes, hasMark ? 3 : 0);
  if (bytes[open] !== openBrace) {
    throw isValue(bytes, open) ? notAnObject() : notJson();
  }
  const members: Member[] = [];
  let at = skipSpace(bytes, open + 1);
  while (bytes[at] !== closeBrace || members.length > 0) {
    if (bytes[at] !== quote) throw notJson();
    const nameEnd = closingQuote(bytes, at + 1) + 1;
    const colonAt = skipSpace(bytes, nameEnd);
    if (bytes[colonAt] !== colon) throw notJson();
    if (members.length === membersMax) {
      throw invalid(`The body has more than ${membersMax} members.`);
    }
    const name = nameOf(bytes, at, nameEnd);
    const valueAt = skipSpace(bytes, colonAt + 1);
    const valueEnd = walk?.(name, valueAt) ?? endOfJsonValue(bytes, valueAt);
    if (valueEnd < 0) throw notJson();
    members.push({ name, at, valueAt, valueEnd });
    at = skipSpace(bytes, valueEnd);
    if (bytes[at] === closeBrace) break;
    if (bytes[at] !== comma) throw notJson();
    at = skipSpace(bytes, at + 1);
  }
  if (skipSpace(bytes, at + 1) < bytes.length) throw notJson();
  return { bytes, members, open };
}

/** The member of this name; of several the last, as every JSON parser of an engine has it. */
export function findMember({ members }: BodyScan, name: string): Member | undefined {
  for (let index = members.length - 1; index >= 0; index -= 1) {
    if (members[index]?.name === name) return members[index];
  }
  return undefined;
}

/** Reads one member; undefined without it. Throws `rejected-invalid` where it is no JSON. */
export function readMember(scan: BodyScan, name: string): unknown {
  const member = findMember(scan, name);
  return member === undefined ? undefined : readValue(scan.bytes, member.valueAt, member.valueEnd);
}

function nameOf(bytes: Uint8Array, at: number, end: number): string {
  const known = knownName(bytes, at + 1, end - 1);
  if (known !== undefined) return known;
  const text = searchable(bytes).toString("utf8", at + 1, end - 1);
  // Only a name with an escape may be another one than it looks.
  if (!text.includes("\\")) return text;
  const name = readValue(bytes, at, end);
  return typeof name === "string" ? name : text;
}

function isValue(bytes: Uint8Array, at: number): boolean {
  const end = endOfJsonValue(bytes, at);
  if (end < 0 || skipSpace(bytes, end) < bytes.length) return false;
  try {
    readValue(bytes, at, end);
    return true;
  } catch {
    // Neither an object nor anything else.
    return false;
  }
}

function notJson(): WarmpathError {
  return invalid(notJsonText);
}

function notAnObject(): WarmpathError {
  return invalid("The body must be a JSON object.");
}

function invalid(message: string): WarmpathError {
  return new WarmpathError("rejected-invalid", message);
}
