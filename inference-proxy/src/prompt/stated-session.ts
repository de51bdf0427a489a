import { readValue } from "./read-value.ts";
import { type BodyScan, findMember } from "./scan-body.ts";

/** A request's headers, by lower-case name. */
export interface HeaderReader {
  get(name: string): string | null;
}

/** A session that the client names itself. */
export interface StatedSession {
  readonly id: string;
  readonly source: "header" | "body";
  readonly parentId: string | undefined;
}

/** What a request says about its session. */
export interface SessionHints {
  readonly stated: StatedSession | undefined;
  /**
   * Text that all requests of one session share, though others may share it too: OpenAI's
   * `prompt_cache_key` and `user`. Sessions are looked for among the requests that have the same.
   */
  readonly group: string;
}

/** Longer ones are no ids: they are ignored, since cutting them could make two sessions one. */
export const sessionIdCharsMax = 256;

/** Larger `metadata` is not read. */
const metadataBytesMax = 16_384;

/**
 * Headers that name a session, the most telling first: the common one (vLLM, llm-d, OpenCode),
 * NVIDIA Dynamo's, Codex's two spellings and its thread, OpenCode's. Not among them, although they
 * look alike: `x-request-id`, `x-correlation-id` and `x-vercel-id` name one request; `x-user-id`
 * names a user.
 */
const sessionHeaders = [
  "x-session-id",
  "x-dynamo-session-id",
  "session-id",
  "session_id",
  "x-session-affinity",
  "x-opencode-session",
  "thread-id",
] as const;

/** Headers that name the session of the agent that started this one. */
const parentHeaders = ["x-dynamo-parent-session-id", "x-parent-session-id"] as const;

const claudeSession = "x-claude-code-session-id";
const claudeAgent = "x-claude-code-agent-id";
const claudeParentAgent = "x-claude-code-parent-agent-id";

/** Reads who the client says it is: headers first, then the body. */
export function readSessionHints(headers: HeaderReader | undefined, body: BodyScan): SessionHints {
  const stated =
    (headers === undefined ? undefined : (fromClaudeCode(headers) ?? fromHeaders(headers))) ??
    fromBody(body);
  const group = stated === undefined ? groupOf(body) : "";
  return { stated, group };
}

/**
 * Claude Code's sub-agents share the session of the agent that started them, and have an id beside
 * it: each is a session of its own, since each has a prompt of its own.
 */
function fromClaudeCode(headers: HeaderReader): StatedSession | undefined {
  const session = idFrom(headers.get(claudeSession));
  if (session === undefined) return undefined;
  const agent = idFrom(headers.get(claudeAgent));
  if (agent === undefined) return { id: session, source: "header", parentId: undefined };
  const parent = idFrom(headers.get(claudeParentAgent));
  return {
    id: `${session}/${agent}`,
    source: "header",
    parentId: parent === undefined ? session : `${session}/${parent}`,
  };
}

function fromHeaders(headers: HeaderReader): StatedSession | undefined {
  for (const name of sessionHeaders) {
    const id = idFrom(headers.get(name));
    if (id !== undefined) return { id, source: "header", parentId: parentFrom(headers) };
  }
  return undefined;
}

function parentFrom(headers: HeaderReader): string | undefined {
  for (const name of parentHeaders) {
    const id = idFrom(headers.get(name));
    if (id !== undefined) return id;
  }
  return undefined;
}

function fromBody(body: BodyScan): StatedSession | undefined {
  const id = textMember(body, "session_id") ?? fromMetadata(body);
  return id === undefined ? undefined : { id, source: "body", parentId: undefined };
}

/**
 * `metadata.session_id`, or the session in Anthropic's `metadata.user_id`, where Claude Code puts
 * it: `user_…_session_<uuid>`, in later versions a JSON object as text.
 */
function fromMetadata(body: BodyScan): string | undefined {
  const member = findMember(body, "metadata");
  if (member === undefined || member.valueEnd - member.valueAt > metadataBytesMax) return undefined;
  const metadata = recordFrom(readText(body, member.valueAt, member.valueEnd));
  if (metadata === undefined) return undefined;
  const stated = idFrom(metadata["session_id"]);
  const user = metadata["user_id"];
  if (stated !== undefined || typeof user !== "string") return stated;
  const named = /_session_([\w-]+)$/.exec(user)?.[1];
  return named === undefined && user.startsWith("{")
    ? idFrom(recordFrom(parsed(user))?.["session_id"])
    : idFrom(named);
}

function groupOf(body: BodyScan): string {
  const cacheKey = textMember(body, "prompt_cache_key");
  return cacheKey === undefined ? `u${textMember(body, "user") ?? ""}` : `k${cacheKey}`;
}

function textMember(body: BodyScan, name: string): string | undefined {
  const member = findMember(body, name);
  // Six bytes are the most that one character takes, as in \u00e9.
  return member === undefined || member.valueEnd - member.valueAt > 6 * sessionIdCharsMax + 2
    ? undefined
    : idFrom(readText(body, member.valueAt, member.valueEnd));
}

/** A member that is broken is the engine's to refuse; here it only says nothing. */
function readText({ bytes }: BodyScan, from: number, to: number): unknown {
  try {
    return readValue(bytes, from, to);
  } catch {
    return undefined;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function recordFrom(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

function idFrom(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" && value.length <= sessionIdCharsMax
    ? value
    : undefined;
}
