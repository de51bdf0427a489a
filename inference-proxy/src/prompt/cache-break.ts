import { compareMessages } from "./compare-messages.ts";
import { type Found, isOnlyMarked, type PromptTrace } from "./link-session.ts";
import { isSystemRole, roleOf } from "./message.ts";
import { type BodyScan, findMember } from "./scan-body.ts";
import { commonLength, messageAt, type Strand } from "./session-store.ts";
import type { CacheBreak, CacheBreakCause } from "./types.ts";

/**
 * Where and why a prompt stopped beginning as its session's last one did; undefined where it did
 * not: a new session, one that goes on, a branch.
 */
export function findCacheBreak(
  body: BodyScan,
  trace: PromptTrace,
  { link, origin }: Found,
): CacheBreak | undefined {
  if (origin === undefined || link.kind === "new" || link.kind === "fork") return undefined;
  return headBreak(body, trace, origin) ?? messageBreak(trace, origin, link.kind === "compaction");
}

/** A break in one line, for headers and logs. */
export function cacheBreakText({ cause, message, role, byteOffset }: CacheBreak): string {
  const where = message < 0 ? "" : `; message=${message}${role === "" ? "" : `; role=${role}`}`;
  return `${cause}${where}; byte=${byteOffset}`;
}

function headBreak(body: BodyScan, trace: PromptTrace, origin: Strand): CacheBreak | undefined {
  const at = (cause: CacheBreakCause, names: readonly string[]): CacheBreak => ({
    cause,
    message: -1,
    role: "",
    byteOffset: names.map((name) => findMember(body, name)?.valueAt).find(Boolean) ?? 0,
  });
  if (trace.heads.tools !== origin.heads.tools) {
    return at("tools-changed", ["tools", "functions", "documents", "chat_template"]);
  }
  if (trace.heads.system !== origin.heads.system) {
    return at("system-changed", ["system", "instructions"]);
  }
  return trace.heads.salt === origin.heads.salt ? undefined : at("salt-changed", ["cache_salt"]);
}

function messageBreak(
  trace: PromptTrace,
  origin: Strand,
  isCompacted: boolean,
): CacheBreak | undefined {
  const { marks, bytes, history } = trace;
  const { from, starts, ends } = history;
  const message = commonLength(origin.marks, marks);
  if (ends.length === 0 || message === Math.min(ends.length, origin.marks.length)) {
    return undefined;
  }
  const old = Math.min(ends.length, origin.marks.length);
  if (isOnlyMarked(origin, trace, message, old)) return undefined;
  const start = from + starts[message]!;
  const end = from + ends[message]!;
  const role = roleOf(bytes, start, end);
  const before = messageAt(origin, message);
  const now = bytes.subarray(start, end);
  const compared = before === undefined ? undefined : compareMessages(before, now, role);
  const byteOffset = start + (compared?.firstDifference ?? 0);
  const next = messageAt(origin, message + 1);
  if (next !== undefined && Buffer.compare(next, now) === 0) {
    return { cause: "message-removed", message, role, byteOffset: start };
  }
  if (isCompacted) return { cause: "compacted", message, role, byteOffset };
  const changed = isSystemRole(role) ? "system-changed" : "message-edited";
  return { cause: compared?.cause ?? changed, message, role, byteOffset };
}
