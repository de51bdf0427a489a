import { keyBytes, lastValue, searchable } from "./json-scan.ts";
import { createMessagesTap, isMessageGivenUp } from "./messages-tap.ts";
import { recordAt } from "./named-tap.ts";
import type { ServingPath } from "./open.ts";
import { createResponsesTap, isResponseGivenUp } from "./responses-tap.ts";
import { createStreamTap, isGivenUp, type StreamTap } from "./stream-tap.ts";

/** The form of a path's bodies and streams: what tells how an answer ends. */
export type WireFormat = "chat" | "messages" | "responses";

/** Completions and embeddings end as chats do, where they stream at all. */
export function formatOf(path: ServingPath): WireFormat {
  switch (path) {
    case "/v1/messages":
    case "/v1/messages/count_tokens":
      return "messages";
    case "/v1/responses":
      return "responses";
    case "/v1/chat/completions":
    case "/v1/completions":
    case "/v1/embeddings":
      return "chat";
  }
}

/** A tap for one stream of this format. */
export function createTap(
  format: WireFormat,
  options: { readonly dropsUsage: boolean },
): StreamTap {
  switch (format) {
    case "chat":
      return createStreamTap(options);
    case "messages":
      return createMessagesTap();
    case "responses":
      return createResponsesTap();
  }
}

const cancelled = keyBytes("cancelled");
const stopReasonKey = keyBytes("stop_reason");
const quote = 0x22;

/** True for a whole answer that the engine gave up, as it does when it is going away. */
export function isWholeGivenUp(format: WireFormat, answer: Uint8Array): boolean {
  if (format === "chat") {
    return isGivenUp(answer);
  }
  if (!isSuspect(format, searchable(answer))) {
    return false;
  }
  try {
    const parsed = recordAt(JSON.parse(new TextDecoder().decode(answer))) ?? {};
    return format === "messages" ? isMessageGivenUp(parsed) : isResponseGivenUp(parsed);
  } catch {
    // Not JSON, so not of this format: the client's to judge.
    return false;
  }
}

/** A byte search that spares nearly every answer the parsing. */
function isSuspect(format: "messages" | "responses", bytes: Buffer): boolean {
  if (format === "responses") {
    return bytes.includes(cancelled);
  }
  const at = lastValue(bytes, stopReasonKey);
  return at < 0 || bytes[at] !== quote || bytes.subarray(at).indexOf('"abort"') === 0;
}
