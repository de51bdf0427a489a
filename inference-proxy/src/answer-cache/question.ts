import type { Question } from "../call/reuse.ts";
import { type Members, requestKey } from "./request-key.ts";

/**
 * Longest question that is compared by its meaning: about 500 tokens, which is where common
 * embedding models stop reading. Beyond it two texts that differ only in their ends are one.
 */
const questionCharsMax = 2000;

const decoder = new TextDecoder("utf-8", { fatal: true });
const encoder = new TextEncoder();

/**
 * The last user message of a chat, apart from everything before it. Undefined where meaning is no
 * safe guide: the last turn carries a tool's result, an image or a long text, or there is no user's
 * message at the end.
 */
export function questionOf(root: readonly string[], members: Members): Question | undefined {
  const messages = parseMessages(members.get("messages"));
  const last = messages?.at(-1);
  if (messages === undefined || last?.["role"] !== "user") {
    return undefined;
  }
  const text = textOf(last["content"]);
  if (text === undefined || text === "" || text.length > questionCharsMax) {
    return undefined;
  }
  const lastTurn = messages.slice(messages.findLastIndex(({ role }) => role === "assistant") + 1);
  if (lastTurn.some(({ role }) => role === "tool" || role === "function")) {
    return undefined;
  }
  const { content: _asked, ...rest } = last;
  const surroundings = new Map(members);
  surroundings.set("messages", encoder.encode(JSON.stringify([...messages.slice(0, -1), rest])));
  return { group: requestKey(["question", ...root], surroundings), text };
}

function parseMessages(
  bytes: Uint8Array | undefined,
): readonly Readonly<Record<string, unknown>>[] | undefined {
  try {
    const parsed: unknown = JSON.parse(decoder.decode(bytes));
    const isList = Array.isArray(parsed) && parsed.every(isRecord);
    return isList ? parsed : undefined;
  } catch {
    // Not JSON: the engine will say so.
    return undefined;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The text of a message that is nothing but text. */
function textOf(content: unknown): string | undefined {
  if (typeof content === "string") {
    return content;
  }
  if (!Array.isArray(content)) {
    return undefined;
  }
  const texts = content.map((part: unknown) =>
    isRecord(part) && part["type"] === "text" && typeof part["text"] === "string"
      ? part["text"]
      : undefined,
  );
  return texts.includes(undefined) ? undefined : texts.join("\n");
}
