import type { ServingPath } from "../upstream/open.ts";
import type { Replica } from "../upstream/pool.ts";
import type { StoredAnswer } from "./types.ts";

/**
 * Finished answers that several proxies share. A hint like any cache: whatever is wrong with the
 * store or with what is in it is a miss, and nobody waits long for it.
 */
export interface AnswerVault {
  /** What was kept under the key; undefined where nothing was, or the store does not answer. */
  find(key: string): Promise<Uint8Array | undefined>;
  /** Keeps it for so long, if there is room; returns at once and never fails. */
  keep(key: string, bytes: Uint8Array, ttlMs: number): void;
  close(): void;
}

/** An answer as another proxy has kept it. */
export interface Vaulted {
  readonly answer: StoredAnswer;
  readonly ageMs: number;
}

/** The format's version; others' entries are misses. */
const version = 1;
const newline = 0x0a;
/** The line before the answer is shorter: what has none within so much is no entry. */
const headBytesMax = 4096;

/** A line of JSON that says what it is, and the answer behind it as it came. */
export function writeVaulted(answer: StoredAnswer, nowMs: number): Uint8Array {
  const { path, isStream, contentType, replica, bytes } = answer;
  const head = {
    v: version,
    path,
    isStream,
    contentType,
    replica: replica.address.name,
    atMs: nowMs,
  };
  return Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), bytes]);
}

/**
 * Undefined for what is no such entry, is of another path, is older than it may be, or comes from a
 * replica that this proxy does not know.
 */
export function readVaulted(
  bytes: Uint8Array,
  want: {
    readonly path: ServingPath;
    readonly nowMs: number;
    readonly ttlMs: number;
    readonly findReplica: (name: string) => Replica | undefined;
  },
): Vaulted | undefined {
  const end = bytes.subarray(0, headBytesMax).indexOf(newline);
  const head = end < 0 ? {} : headOf(bytes.subarray(0, end));
  const { v, path, isStream, contentType, replica: name, atMs } = head;
  if (
    v !== version ||
    path !== want.path ||
    typeof isStream !== "boolean" ||
    typeof contentType !== "string" ||
    typeof name !== "string" ||
    typeof atMs !== "number"
  ) {
    return undefined;
  }
  const replica = want.findReplica(name);
  // Clocks of two machines may differ: nothing is younger than now.
  const ageMs = Math.max(0, want.nowMs - atMs);
  if (replica === undefined || ageMs >= want.ttlMs) {
    return undefined;
  }
  // A copy: what was read may be part of a larger buffer.
  const answer = bytes.slice(end + 1);
  return { answer: { path: want.path, isStream, contentType, replica, bytes: answer }, ageMs };
}

function headOf(line: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(Buffer.from(line).toString());
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
