import { mooncakeBlockTokens, type TraceRequest } from "./read-trace.ts";

/** A session that is still open: its last request, and who it is. */
interface OpenSession {
  readonly requests: TraceRequest[];
  readonly index: number;
}

/** A block that more different blocks come after is what many begin with, a system prompt say. */
const followersMax = 8;

/**
 * Sessions of a trace that names none, guessed from its prefixes. A request goes on with the
 * session whose last prompt it begins with: all whole blocks of that prompt, and more tokens than
 * it had. The last of those blocks must have come into the trace with that session and must not be
 * what many begin with: both say nothing. Of several such sessions the longest prompt wins; a
 * session that was gone on with twice is two. Requests come in the order of time.
 */
export function continuedSessions(
  requests: readonly TraceRequest[],
  blockTokens = mooncakeBlockTokens,
): readonly (readonly TraceRequest[])[] {
  const sessions: OpenSession[] = [];
  const common = commonBlocks(requests);
  const introducedBy = new Map<number, number>();
  /** Open sessions by the last whole block of their last prompt. */
  const open = new Map<number, OpenSession>();
  for (const request of requests) {
    let session = takeContinued(open, request);
    if (session === undefined) {
      session = { requests: [], index: sessions.length };
      sessions.push(session);
    }
    session.requests.push(request);
    for (const id of request.blockIds) {
      if (!introducedBy.has(id)) introducedBy.set(id, session.index);
    }
    const wholeBlocks = Math.floor(request.inputTokens / blockTokens);
    const last = request.blockIds[wholeBlocks - 1];
    if (last === undefined || common.has(last)) continue;
    if (introducedBy.get(last) === session.index) open.set(last, session);
  }
  return sessions.map((session) => session.requests);
}

function commonBlocks(requests: readonly TraceRequest[]): ReadonlySet<number> {
  const followers = new Map<number, Set<number>>();
  const common = new Set<number>();
  for (const { blockIds } of requests) {
    for (const [index, id] of blockIds.entries()) {
      const next = blockIds[index + 1];
      if (next === undefined || common.has(id)) continue;
      const known = followers.get(id) ?? new Set();
      followers.set(id, known.add(next));
      if (known.size <= followersMax) continue;
      common.add(id);
      followers.delete(id);
    }
  }
  return common;
}

function takeContinued(
  open: Map<number, OpenSession>,
  { blockIds, inputTokens }: TraceRequest,
): OpenSession | undefined {
  for (const id of blockIds.toReversed()) {
    const session = open.get(id);
    if (session === undefined) continue;
    if (inputTokens <= (session.requests.at(-1)?.inputTokens ?? 0)) continue;
    open.delete(id);
    return session;
  }
  return undefined;
}
