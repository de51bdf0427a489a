/** Callers that never stop asking, and write down how each of their streams ended. */
import { testKey } from "@warmpath/inference-proxy/testing";

/** How one stream ended. */
export interface Ending {
  /**
   * `done`: with its end mark, after a finish reason. `error`: with an error event. `refused`: an
   * error instead of a stream. `broken`: without a word. `hung`: not within the caller's patience.
   */
  readonly kind: "done" | "error" | "refused" | "broken" | "hung";
  readonly prompt: string;
  /** Everything that it said. */
  readonly text: string;
  readonly replica: string;
  /** When its head came, on the clock of `performance.now`. */
  readonly headAtMs: number;
  /** From the request to its first event; until the end without one. */
  readonly firstMs: number;
  /** Longest time between two reads after the first event, the last one's end included. */
  readonly silenceMs: number;
  /** What an error said. */
  readonly detail: string;
}

/** Longer than every bar, so that a miss is told as a figure. */
const patienceMs = 45_000;

/** Asks once, at the proxy or at an engine. */
export async function ask(url: string, prompt: string): Promise<Ending> {
  const startMs = performance.now();
  let text = "";
  let lastMs = startMs;
  let firstMs = Number.NaN;
  let silenceMs = 0;
  let replica = "";
  let headAtMs = Number.NaN;
  const end = (kind: Ending["kind"], detail = ""): Ending => ({
    kind,
    prompt,
    text,
    replica,
    headAtMs,
    firstMs: Number.isNaN(firstMs) ? performance.now() - startMs : firstMs,
    silenceMs,
    detail,
  });
  try {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${testKey}` },
      body: JSON.stringify({ stream: true, messages: [{ role: "user", content: prompt }] }),
      signal: AbortSignal.timeout(patienceMs),
      keepalive: false,
    });
    headAtMs = performance.now();
    replica = response.headers.get("x-warmpath-replica") ?? "";
    if (!response.ok) {
      return end("refused", `${response.status} ${await response.text()}`);
    }
    const decoder = new TextDecoder();
    let rest = "";
    let isFinished = false;
    for await (const bytes of response.body ?? []) {
      const nowMs = performance.now();
      if (Number.isNaN(firstMs)) firstMs = nowMs - startMs;
      else silenceMs = Math.max(silenceMs, nowMs - lastMs);
      lastMs = nowMs;
      const events = (rest + decoder.decode(bytes, { stream: true })).split("\n\n");
      rest = events.pop() ?? "";
      for (const event of events) {
        const data = event.replace(/^data: /, "");
        if (data === "[DONE]") {
          return isFinished ? end("done") : end("broken", "an end mark without a finish reason");
        }
        const { error, choices } = JSON.parse(data) as Chunk;
        if (error !== undefined) return end("error", error.message);
        text += choices?.[0]?.delta?.content ?? "";
        isFinished ||= typeof choices?.[0]?.finish_reason === "string";
      }
    }
    return end("broken", "the stream ended without an end mark");
  } catch (error) {
    const isLate = error instanceof DOMException && error.name === "TimeoutError";
    return end(isLate ? "hung" : "broken", String(error));
  }
}

interface Chunk {
  readonly error?: { readonly message: string };
  readonly choices?: readonly {
    readonly delta?: { readonly content?: string };
    readonly finish_reason?: string | null;
  }[];
}

/** Keeps `count` requests under way until told to stop; each of `prompts` in turn. */
export function startCallers(options: {
  readonly url: string;
  readonly count: number;
  readonly prompts: readonly string[];
}): { readonly endings: readonly Ending[]; stop(): Promise<void> } {
  const endings: Ending[] = [];
  let isStopped = false;
  let turn = 0;
  const call = async () => {
    while (!isStopped) {
      const prompt = options.prompts[turn % options.prompts.length] ?? "";
      turn += 1;
      endings.push(await ask(options.url, prompt));
    }
  };
  const callers = Array.from({ length: options.count }, call);
  return {
    endings,
    stop: async () => {
      isStopped = true;
      await Promise.all(callers);
    },
  };
}
