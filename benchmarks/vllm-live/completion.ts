/** One completion of a token prompt through the proxy, watched to its end. */
import { testKey } from "@warmpath/inference-proxy/testing";

/** How a completion ended, and what it said on its way. */
export interface Watched {
  /**
   * `done`: with a finish reason. `refused`: by a status. `error`: by an error event after content.
   * `bare-error`: a 200 whose first event is an error. `cut`: without a word. `hung`: not at all.
   */
  readonly end: "done" | "refused" | "error" | "bare-error" | "cut" | "hung";
  readonly status: number;
  readonly replica: string;
  readonly promptTokens: number;
  readonly cachedTokens: number | undefined;
  readonly outputIds: readonly number[];
  /** From the last content to the end, in ms. */
  readonly silenceMs: number;
  /** Longest time between two pieces of content, in ms: the model's own pace. */
  readonly gapMs: number;
}

/** What to ask. */
export interface Asked {
  readonly prompt: readonly number[];
  readonly maxTokens: number;
  readonly isStream: boolean;
  readonly more?: Readonly<Record<string, unknown>>;
  /** Given up after so long without an end, in ms. */
  readonly patienceMs: number;
  /** Called with each piece of content. */
  readonly onContent?: () => void;
}

interface Piece {
  readonly error?: unknown;
  readonly choices?: readonly {
    readonly token_ids?: readonly number[] | null;
    readonly finish_reason?: string | null;
  }[];
  readonly usage?: {
    readonly prompt_tokens: number;
    readonly prompt_tokens_details?: { readonly cached_tokens?: number } | null;
  } | null;
}

/** Asks, and reads the answer to its end, whatever that is; never rejects. */
export async function complete(url: string, asked: Asked): Promise<Watched> {
  const facts = { status: 0, replica: "", promptTokens: 0, hasContent: false, isFailed: false };
  const outputIds: number[] = [];
  let cachedTokens: number | undefined;
  let finishReason: string | undefined;
  let lastMs = performance.now();
  let gapMs = 0;
  const take = (piece: Piece) => {
    if (piece.error !== undefined) facts.isFailed = true;
    for (const { token_ids: ids, finish_reason: reason } of piece.choices ?? []) {
      outputIds.push(...(ids ?? []));
      finishReason = reason ?? finishReason;
      const nowMs = performance.now();
      if (facts.hasContent) gapMs = Math.max(gapMs, nowMs - lastMs);
      facts.hasContent = true;
      lastMs = nowMs;
      asked.onContent?.();
    }
    if (!piece.usage) return;
    facts.promptTokens = piece.usage.prompt_tokens;
    cachedTokens = piece.usage.prompt_tokens_details?.cached_tokens;
  };
  const ended = (end: Watched["end"]): Watched => ({
    ...facts,
    end,
    cachedTokens,
    outputIds,
    silenceMs: performance.now() - lastMs,
    gapMs,
  });
  try {
    const response = await post(url, asked);
    facts.status = response.status;
    facts.replica = response.headers.get("x-warmpath-replica") ?? "";
    if (!response.ok) {
      await response.text();
      return ended("refused");
    }
    if (!asked.isStream) {
      take((await response.json()) as Piece);
    } else if (response.body !== null) {
      await eachPiece(response.body, take);
    }
  } catch (error) {
    return ended(error instanceof DOMException && error.name === "TimeoutError" ? "hung" : "cut");
  }
  if (facts.isFailed) return ended(facts.hasContent ? "error" : "bare-error");
  return ended(finishReason === undefined || finishReason === "abort" ? "cut" : "done");
}

function post(url: string, { prompt, maxTokens, isStream, more, patienceMs }: Asked) {
  return fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${testKey}` },
    body: JSON.stringify({
      prompt,
      max_tokens: maxTokens,
      ignore_eos: true,
      return_token_ids: true,
      stream: isStream,
      ...(isStream ? { stream_options: { include_usage: true } } : {}),
      ...more,
    }),
    signal: AbortSignal.timeout(patienceMs),
  });
}

async function eachPiece(
  body: ReadableStream<Uint8Array>,
  take: (piece: Piece) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of body) {
    rest += decoder.decode(bytes, { stream: true });
    const events = rest.split("\n\n");
    rest = events.pop() ?? "";
    for (const event of events) {
      const data = event.startsWith("data: ") ? event.slice("data: ".length) : "";
      if (data.startsWith("{")) take(JSON.parse(data) as Piece);
    }
  }
}
