import { type BodyScan, readValue } from "../prompt/index.ts";
import { endOfString, skipSpace } from "../upstream/json-scan.ts";

/*
 * The identity of a request's answer. It is taken from the bytes and not from parsed values: two
 * seeds beyond 2^53 are one number once parsed, and would share an answer that is not theirs.
 */

/** A request's members by name, each the bytes of its value without white space around it. */
export type Members = ReadonlyMap<string, Uint8Array>;

/**
 * Members that say how an answer is sent, who asks, or how urgent it is, and nothing about what the
 * answer is. `stream_options` counts only beyond `include_usage`.
 */
const irrelevant: ReadonlySet<string> = new Set([
  "stream",
  // The model that serves the request is hashed instead.
  "model",
  "user",
  "metadata",
  "safety_identifier",
  "prompt_cache_key",
  "session_id",
  "request_id",
  "priority",
]);

const quote = 0x22;

/**
 * The members by name; undefined where one is named twice: what an engine makes of that is not ours
 * to guess, so its answer is not reused.
 */
export function membersOf({ bytes, members }: BodyScan): Members | undefined {
  const byName = new Map<string, Uint8Array>();
  for (const { name, valueAt, valueEnd } of members) {
    byName.set(name, bytes.subarray(valueAt, valueEnd));
  }
  return byName.size === members.length ? byName : undefined;
}

/**
 * The key of a request's answer: a hash that nobody can make two requests share. `root` names what
 * stands outside the body (tenant, path, model). The order of the members and the white space
 * between values do not matter.
 *
 * Cost: one pass over the bytes outside strings, one SHA-256 of all (about 2 GB/s).
 */
export function requestKey(root: readonly string[], members: Members): string {
  const hasher = new Bun.CryptoHasher("sha256");
  hasher.update(JSON.stringify(root));
  for (const name of [...members.keys()].toSorted()) {
    const value = members.get(name);
    if (value !== undefined && !isIrrelevant(name, value)) {
      // JSON ends itself, so nothing that follows can be taken for a part of it.
      hasher.update(`\n${JSON.stringify(name)}:`);
      for (const piece of withoutSpace(value)) {
        hasher.update(piece);
      }
    }
  }
  return hasher.digest("base64url");
}

/**
 * The key by which equal calls under way find each other: quicker by far, and of this process only.
 * Bytes are taken as they are, in the body's order. 128 bits, keyed with a secret, so that nobody
 * can write two requests that share one.
 *
 * Cost: two passes at 10 GB/s or more.
 */
export function flightKey(root: readonly string[], members: Members): string {
  let [one, other] = secrets;
  const add = (piece: string | Uint8Array): void => {
    one = Bun.hash.xxHash3(piece, one);
    other = Bun.hash.xxHash3(piece, other);
  };
  add(JSON.stringify(root));
  for (const [name, value] of members) {
    if (!isIrrelevant(name, value)) {
      add(name);
      add(value);
    }
  }
  return `${one.toString(36)}.${other.toString(36)}`;
}

const [secretOne = 0n, secretOther = 0n] = crypto.getRandomValues(new BigUint64Array(2));
const secrets: readonly [bigint, bigint] = [secretOne, secretOther];

function isIrrelevant(name: string, value: Uint8Array): boolean {
  return irrelevant.has(name) || (name === "stream_options" && saysOnlyUsage(value));
}

function saysOnlyUsage(value: Uint8Array): boolean {
  const options: unknown = readValue(value, 0, value.length);
  return Object.keys(options ?? {}).every((name) => name === "include_usage");
}

/** The value in pieces, without the white space between its tokens. */
export function withoutSpace(value: Uint8Array): readonly Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let from = 0;
  let at = 0;
  while (at < value.length) {
    const byte = value[at] ?? 0;
    if (byte === quote) {
      at = endOfString(value, at);
    } else if (byte <= 0x20) {
      pieces.push(value.subarray(from, at));
      at = Math.min(skipSpace(value, at + 1), value.length);
      from = at;
    } else {
      at += 1;
    }
  }
  pieces.push(value.subarray(from));
  return pieces;
}
