import type { Beat, PeerHome, PeerLoad } from "./types.ts";

/*
 * A beat as JSON on the bus. Whatever is not exactly this is no beat: proxies of several versions
 * and others' mistakes must do no harm.
 */

/** The format's version; another one's beats are not understood, and passed over. */
const beatVersion = 1;

const textCharsMax = 512;
const replicasMax = 4096;
const homesMax = 16_384;
/**
 * No replica has more of anything: what says so is a mistake. The sums over all entries of a
 * thousand peers' beats are exact.
 */
const numberMax = 2 ** 31;

/** The beat for the bus. */
export function writeBeat({ from, number, keysOf, isLast, loads, homes }: Beat): Uint8Array {
  const text = JSON.stringify({
    v: beatVersion,
    from,
    number,
    keysOf,
    isLast,
    loads: loads.map(({ replica, requests, aheadMs, sessionTokens }) => [
      replica,
      requests,
      aheadMs,
      sessionTokens,
    ]),
    homes: homes.map(({ session, replica, agoMs, chunkTokens, endMark, keys }) => [
      session,
      replica,
      agoMs,
      chunkTokens,
      endMark,
      Array.from(keys),
    ]),
  });
  return new TextEncoder().encode(text);
}

/** Undefined for whatever is no beat of this version, or is larger than it may be. */
export function readBeat(bytes: Uint8Array, bytesMax: number): Beat | undefined {
  if (bytes.byteLength > bytesMax) {
    return undefined;
  }
  const { v, from, number, keysOf, isLast, loads, homes } = membersOf(bytes);
  if (v !== beatVersion) {
    return undefined;
  }
  const loadsRead = allOf(loads, replicasMax, loadOf);
  const homesRead = allOf(homes, homesMax, homeOf);
  return isText(from) &&
    from !== "" &&
    isCount(number) &&
    isText(keysOf) &&
    typeof isLast === "boolean" &&
    loadsRead !== undefined &&
    homesRead !== undefined
    ? { from, number, keysOf, isLast, loads: loadsRead, homes: homesRead }
    : undefined;
}

/** What the JSON object has of a beat's members; nothing of what is no JSON object. */
function membersOf(bytes: Uint8Array): Partial<Record<keyof Beat | "v", unknown>> {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

function loadOf(value: readonly unknown[]): PeerLoad | undefined {
  const [replica, requests, aheadMs, sessionTokens] = value;
  return isText(replica) && isCount(requests) && isCount(aheadMs) && isCount(sessionTokens)
    ? { replica, requests, aheadMs, sessionTokens }
    : undefined;
}

function homeOf(value: readonly unknown[]): PeerHome | undefined {
  const [session, replica, agoMs, chunkTokens, endMark, keys] = value;
  return isText(session) &&
    session !== "" &&
    isText(replica) &&
    isCount(agoMs) &&
    typeof chunkTokens === "number" &&
    chunkTokens >= 0 &&
    chunkTokens <= numberMax &&
    isKey(endMark) &&
    Array.isArray(keys) &&
    keys.every(isKey)
    ? { session, replica, agoMs, chunkTokens, endMark, keys }
    : undefined;
}

/** Every entry read; undefined when one of them cannot be, or when they are too many. */
function allOf<T>(
  values: unknown,
  countMax: number,
  read: (value: readonly unknown[]) => T | undefined,
): readonly T[] | undefined {
  if (!Array.isArray(values) || values.length > countMax) {
    return undefined;
  }
  const all: T[] = [];
  for (const value of values) {
    const one = Array.isArray(value) ? read(value) : undefined;
    if (one === undefined) {
      return undefined;
    }
    all.push(one);
  }
  return all;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length <= textCharsMax;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= numberMax;
}

/** Keys and marks. */
function isKey(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}
