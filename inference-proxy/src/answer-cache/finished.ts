import { endOfString, keyBytes, nextValue, searchable } from "../upstream/json-scan.ts";
import type { ServingPath } from "../upstream/open.ts";

/*
 * Which answers are worth keeping: those that say all they have to say. One that a filter stopped,
 * or that an engine gave up, may be another one next time. "length" and "max_tokens" are the
 * caller's own bounds.
 */

const quote = 0x22;
const openBrace = 0x7b;

const finishKey = keyBytes("finish_reason");
const stopKey = keyBytes("stop_reason");
const embeddingKey = keyBytes("embedding");
const inputTokensKey = keyBytes("input_tokens");
const completedEvent = Buffer.from('"response.completed"');

const chatEnds: ReadonlySet<string> = new Set(["stop", "tool_calls", "length", "function_call"]);
const messageEnds: ReadonlySet<string> = new Set([
  "end_turn",
  "stop_sequence",
  "max_tokens",
  "tool_use",
]);

/** True for an answer of this path, as a stream or whole, whose every choice ended properly. */
export function isFinished(path: ServingPath, answer: Uint8Array): boolean {
  const bytes = searchable(answer);
  switch (path) {
    case "/v1/chat/completions":
    case "/v1/completions":
      return endsWell(bytes, finishKey, chatEnds);
    case "/v1/messages":
      return endsWell(bytes, stopKey, messageEnds);
    case "/v1/responses":
      return isCompleted(bytes);
    case "/v1/embeddings":
      return nextValue(bytes, embeddingKey, 0) >= 0;
    case "/v1/messages/count_tokens":
      return nextValue(bytes, inputTokensKey, 0) >= 0;
  }
}

/** True when there is a reason, and no reason but these. */
function endsWell(bytes: Buffer, key: Buffer, ends: ReadonlySet<string>): boolean {
  let hasEnd = false;
  for (let at = nextValue(bytes, key, 0); at >= 0; at = nextValue(bytes, key, at)) {
    if (bytes[at] !== quote) {
      continue;
    }
    if (!ends.has(textAt(bytes, at))) {
      return false;
    }
    hasEnd = true;
  }
  return hasEnd;
}

/** What is read of a response. */
interface Response {
  readonly status?: unknown;
  readonly incomplete_details?: { readonly reason?: unknown } | null;
}

/** A stream says so in an event's name; a whole response in its own status. */
function isCompleted(bytes: Buffer): boolean {
  if (bytes[0] !== openBrace) {
    return bytes.includes(completedEvent);
  }
  try {
    // An object, by its first byte.
    const { status, incomplete_details: details } = JSON.parse(bytes.toString()) as Response;
    return (
      status === "completed" || (status === "incomplete" && details?.reason === "max_output_tokens")
    );
  } catch {
    // Not JSON, so no response.
    return false;
  }
}

function textAt(bytes: Buffer, at: number): string {
  return bytes.toString("utf8", at + 1, endOfString(bytes, at) - 1);
}
