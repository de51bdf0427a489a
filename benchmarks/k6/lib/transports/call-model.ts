import type { ChatAnswer } from "../chat-events.ts";

/** A message as OpenAI's API writes it. */
export interface ChatMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

/** One streamed model call to the inference proxy. */
export interface ModelCall {
  readonly key: string;
  readonly sessionId: string;
  readonly lane: "interactive" | "standard" | "batch";
  readonly messages: readonly ChatMessage[];
  readonly outputTokens: number;
  /** The client goes away after so many events; 0 stays. */
  readonly leaveAfterEvents: number;
  readonly timeoutMs: number;
}

/** Makes a call and times it. Never throws for what the other side did. */
export type CallModel = (call: ModelCall) => Promise<ChatAnswer | { readonly fault: string }>;

/** The request of OpenAI's API; the engine writes on until the asked length. */
export function chatBody({ messages, outputTokens }: ModelCall): string {
  return JSON.stringify({
    messages,
    stream: true,
    stream_options: { include_usage: true },
    max_tokens: outputTokens,
    ignore_eos: true,
  });
}

/** Who calls, and in which lane. */
export function chatHeaders({ key, sessionId, lane }: ModelCall): Record<string, string> {
  return {
    "content-type": "application/json",
    authorization: `Bearer ${key}`,
    "x-session-id": sessionId,
    "x-warmpath-lane": lane,
  };
}
