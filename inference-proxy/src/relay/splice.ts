import { endOfString, endOfValue, skipSpace } from "../upstream/json-scan.ts";

/*
 * Changes members of a JSON object's bytes without writing the rest of them anew: numbers beyond
 * 2^53, unknown fields, order and white space stay as the client sent them.
 */

const openBrace = 0x7b;
const closeBrace = 0x7d;
const comma = 0x2c;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * Members to set; a member that is there already is replaced, in all its copies. An undefined one
 * is taken out.
 */
export type Members = Readonly<Record<string, unknown>>;

/**
 * The body with these members set. `present` are the names that the parsed body has: without any to
 * replace, the new ones are put in front and the rest is copied whole.
 */
export function spliceMembers(
  body: Uint8Array<ArrayBuffer>,
  members: Members,
  present: Readonly<Record<string, unknown>>,
): Uint8Array<ArrayBuffer> {
  const names = Object.keys(members);
  if (names.length === 0) {
    return body;
  }
  const open = body.indexOf(openBrace);
  const replaces = names.some((name) => Object.hasOwn(present, name));
  const rest = replaces ? cutMembers(body, open, new Set(names)) : [body.subarray(open + 1)];
  const text = names
    .filter((name) => members[name] !== undefined)
    .map((name) => `${JSON.stringify(name)}:${JSON.stringify(members[name])}`);
  const head = encoder.encode(
    `{${text.join(",")}${text.length > 0 && hasMembers(rest) ? "," : ""}`,
  );
  return Buffer.concat([body.subarray(0, open), head, ...rest]);
}

/** False when only the closing brace is left: then no comma may stand before it. */
function hasMembers(rest: readonly Uint8Array[]): boolean {
  const first = rest.find((piece) => skipSpace(piece, 0) < piece.length);
  return first !== undefined && first[skipSpace(first, 0)] !== closeBrace;
}

/** Everything after the opening brace, without the named members; well-formed JSON is assumed. */
function cutMembers(
  body: Uint8Array<ArrayBuffer>,
  open: number,
  names: ReadonlySet<string>,
): Uint8Array<ArrayBuffer>[] {
  const kept: Uint8Array<ArrayBuffer>[] = [];
  let at = skipSpace(body, open + 1);
  while (at < body.length && body[at] !== closeBrace) {
    const nameEnd = endOfString(body, at);
    const name: unknown = JSON.parse(decoder.decode(body.subarray(at, nameEnd)));
    const valueAt = skipSpace(body, skipSpace(body, nameEnd) + 1);
    const valueEnd = endOfValue(body, valueAt);
    if (typeof name === "string" && !names.has(name)) {
      if (kept.length > 0) {
        kept.push(encoder.encode(","));
      }
      kept.push(body.subarray(at, valueEnd));
    }
    at = skipSpace(body, valueEnd);
    at = body[at] === comma ? skipSpace(body, at + 1) : at;
  }
  kept.push(body.subarray(at));
  return kept;
}
