import { SplicedBytes } from "@warmpath/runtime/http1";
import type { BodyScan, Member } from "../prompt/index.ts";
import { searchable } from "../upstream/json-scan.ts";
import type { RequestBody } from "../upstream/request-body.ts";

/*
 * Changes members of a JSON object's bytes without writing the rest of them anew: numbers beyond
 * 2^53, unknown fields, order and white space stay as the client sent them.
 */

const comma = Buffer.from(",");
const encoder = new TextEncoder();

/** Members to set, by plain names, as JSON values; undefined takes a member out. */
export type Members = Readonly<Record<string, unknown>>;

/**
 * The body with these members set. They are put behind all others, and whatever copies of them the
 * client wrote are taken out. The end is the safe place: parsers of JSON take the last of equal
 * names, so that ours would win even over one that the scan did not see.
 */
export function spliceMembers(scan: BodyScan, members: Members): RequestBody {
  const names = Object.keys(members);
  if (names.length === 0) return scan.bytes;
  const { bytes, open } = scan;
  const end = scan.members.at(-1)?.valueEnd ?? open + 1;
  const isSet = ({ name }: Member) => names.includes(name);
  const kept = scan.members.some(isSet)
    ? scan.members.filter((member) => !isSet(member))
    : scan.members;
  let text = "";
  for (const name of names) {
    if (members[name] === undefined) continue;
    text += `${text !== "" || kept.length > 0 ? "," : ""}"${name}":${JSON.stringify(members[name])}`;
  }
  if (kept === scan.members) return new SplicedBytes(searchable(bytes), end, text);
  const ours = encoder.encode(text);
  return joined(
    bytes.subarray(0, open + 1),
    ...blocksOf(bytes, scan.members, kept),
    ours,
    bytes.subarray(end),
  );
}

function joined(...pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const piece of pieces) length += piece.length;
  // Every byte is written below.
  const whole = Buffer.allocUnsafe(length) as Uint8Array<ArrayBuffer>;
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** The kept members with commas between them; neighbours stay together as they were written. */
function blocksOf(
  bytes: Uint8Array,
  all: readonly Member[],
  kept: readonly Member[],
): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let first = 0; first < kept.length; ) {
    const at = all.indexOf(kept[first]!);
    let count = 1;
    while (first + count < kept.length && all[at + count] === kept[first + count]) count += 1;
    if (first > 0) pieces.push(comma);
    pieces.push(bytes.subarray(kept[first]!.at, kept[first + count - 1]!.valueEnd));
    first += count;
  }
  return pieces;
}
