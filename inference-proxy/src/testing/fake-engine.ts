/** A request that reached the engine. */
export interface SeenRequest {
  readonly path: string;
  readonly headers: Headers;
  readonly body: string;
  readonly signal: AbortSignal;
}

/** An engine whose answers the test writes; its list of models and health page are vLLM's. */
export interface FakeEngine {
  readonly url: string;
  /** Its name as the proxy calls it. */
  readonly name: string;
  /** Requests to serving paths, in order. */
  readonly seen: readonly SeenRequest[];
  /** Requests whose client has left. */
  readonly left: number;
  /** Answers from now on; the probes are answered apart. */
  answer: (request: SeenRequest) => Response | Promise<Response>;
  /** Status of `GET /health`. */
  health: number;
  stop(): Promise<void>;
}

/**
 * Starts an engine on a free port. `isVllm: false` makes a server that only speaks OpenAI's API.
 */
export function startFakeEngine(
  options: {
    readonly models?: readonly string[];
    readonly isVllm?: boolean;
    readonly isSimulated?: boolean;
    readonly port?: number;
    readonly metrics?: string;
    /** Longest prompt and answer together that it lists. */
    readonly contextTokens?: number;
  } = {},
): FakeEngine {
  const { models = ["tiny"], isVllm = true, isSimulated = false } = options;
  const { contextTokens = 4096 } = options;
  const seen: SeenRequest[] = [];
  let left = 0;
  const engine = {
    answer: (_request: SeenRequest): Response | Promise<Response> =>
      new Response(null, { status: 500 }),
    health: 200,
  };
  const owner = isVllm ? "vllm" : "library";
  const pages: Record<string, () => Response> = {
    "/v1/models": () =>
      Response.json({
        object: "list",
        data: models.map((id) => ({
          id,
          object: "model",
          owned_by: owner,
          max_model_len: contextTokens,
        })),
      }),
    ...(isVllm
      ? {
          "/version": () =>
            Response.json({ version: "0.32.0", ...(isSimulated ? { simulated: true } : {}) }),
          "/health": () => new Response(null, { status: engine.health }),
          "/metrics": () => new Response(options.metrics ?? ""),
        }
      : {}),
  };
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: options.port ?? 0,
    idleTimeout: 0,
    // Streams that break on purpose need no report.
    error: () => new Response(null, { status: 500 }),
    async fetch(request) {
      const path = new URL(request.url).pathname;
      if (request.method === "GET") {
        return pages[path]?.() ?? new Response("not found", { status: 404 });
      }
      const { headers, signal } = request;
      signal.addEventListener("abort", () => {
        left += 1;
      });
      const asked = { path, headers, signal, body: await request.text() };
      seen.push(asked);
      return engine.answer(asked);
    },
  });
  const name = `127.0.0.1:${server.port}`;
  return Object.defineProperties(engine, {
    url: { value: `http://${name}` },
    name: { value: name },
    seen: { value: seen },
    left: { get: () => left },
    stop: { value: () => server.stop(true) },
  }) as FakeEngine;
}

/**
 * A stream of these texts as they are, with a pause before each; it ends early when the client
 * leaves.
 */
export function streamOf(
  blocks: readonly (string | Uint8Array)[],
  options: {
    readonly pauseMs?: number;
    readonly hangsAtEnd?: boolean;
    readonly breaksAtEnd?: boolean;
  } = {},
): Response {
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      for (const block of blocks) {
        await Bun.sleep(options.pauseMs ?? 0);
        try {
          controller.enqueue(typeof block === "string" ? encoder.encode(block) : block);
        } catch {
          // The client has left; there is nobody to send the rest to.
          return;
        }
      }
      if (options.breaksAtEnd === true) {
        // What was sent must be under way before the connection breaks.
        await Bun.sleep(20);
        controller.error(new Error("broken on purpose"));
      } else if (options.hangsAtEnd !== true) {
        controller.close();
      }
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream; charset=utf-8" } });
}

/** One chunk of a chat stream. */
export function chunk(delta: unknown, finishReason: string | null = null): string {
  const choices = [{ index: 0, delta, finish_reason: finishReason }];
  return `data: ${JSON.stringify({ id: "chatcmpl-1", object: "chat.completion.chunk", model: "tiny", choices })}\n\n`;
}

/** The usage event, as vLLM writes it. */
export function usageChunk(promptTokens: number, completionTokens: number, cached = 0): string {
  const usage = {
    prompt_tokens: promptTokens,
    total_tokens: promptTokens + completionTokens,
    completion_tokens: completionTokens,
    prompt_tokens_details: { cached_tokens: cached },
  };
  return `data: ${JSON.stringify({ id: "chatcmpl-1", object: "chat.completion.chunk", choices: [], usage })}\n\n`;
}

/** The end mark. */
export const done = "data: [DONE]\n\n";

/** A complete stream that says "hello". */
export const helloStream: readonly string[] = [
  chunk({ role: "assistant", content: "" }),
  chunk({ content: "hel" }),
  chunk({ content: "lo" }, "stop"),
  usageChunk(12, 2, 8),
  done,
];
