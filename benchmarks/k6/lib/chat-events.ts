/** What one streamed chat completion came to; times in ms since it was sent. */
export interface ChatAnswer {
  readonly text: string;
  readonly timeToFirstTokenMs: number;
  readonly gapsMs: readonly number[];
  readonly endMs: number;
  readonly usage:
    | { readonly input: number; readonly cached: number; readonly output: number }
    | undefined;
}

/** A `data:` field and when it came. */
export interface TimedEvent {
  readonly ms: number;
  readonly data: string;
}

/** The parts of a chunk that are read. */
interface Chunk {
  readonly error?: { readonly message?: string };
  readonly choices?: readonly {
    readonly delta?: { readonly content?: string | null };
    readonly finish_reason?: string | null;
  }[];
  readonly usage?: {
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly prompt_tokens_details?: { readonly cached_tokens?: number } | null;
  } | null;
}

/**
 * Reads the events of a chat completion. A fault where no content came, the engine sent an error
 * inside the stream or something unreadable, or it ended without a finish reason: `[DONE]` alone
 * does not mean success.
 */
export function readChatEvents(
  events: readonly TimedEvent[],
  endMs: number,
  hasLeft: boolean,
): ChatAnswer | { readonly fault: string } {
  const stampsMs: number[] = [];
  let text = "";
  let usage: ChatAnswer["usage"];
  let isFinished = false;
  for (const { ms, data } of events) {
    if (data === "[DONE]") continue;
    const chunk = chunkOf(data);
    if (chunk === undefined) return { fault: `an event that is no JSON: ${data.slice(0, 80)}` };
    if (chunk.error !== undefined) return { fault: `error event: ${chunk.error.message}` };
    const choice = chunk.choices?.[0];
    if (choice?.delta?.content) {
      stampsMs.push(ms);
      text += choice.delta.content;
    }
    if (choice?.finish_reason) isFinished = true;
    if (chunk.usage) {
      usage = {
        input: chunk.usage.prompt_tokens,
        cached: chunk.usage.prompt_tokens_details?.cached_tokens ?? 0,
        output: chunk.usage.completion_tokens,
      };
    }
  }
  const firstMs = stampsMs[0];
  if (firstMs === undefined) return { fault: "the stream ended without content" };
  if (!isFinished && !hasLeft) return { fault: "the stream ended without a finish reason" };
  const gapsMs = stampsMs.slice(1).map((atMs, index) => atMs - (stampsMs[index] ?? 0));
  return { text, timeToFirstTokenMs: firstMs, gapsMs, endMs, usage };
}

function chunkOf(data: string): Chunk | undefined {
  try {
    return JSON.parse(data) as Chunk;
  } catch {
    return undefined;
  }
}
