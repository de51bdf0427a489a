/** What an engine of a test says to one request: some text, or calls of tools. */
export interface EngineTurn {
  readonly text?: string;
  readonly calls?: readonly { readonly id: string; readonly name: string; readonly args: string }[];
}

/** One message of a chat request, as far as a turn is decided by it. */
export interface EngineMessage {
  readonly role: string;
  readonly content: string;
  readonly tool_call_id?: string;
}

/** An engine that keeps every byte it is sent. */
export interface RecordingEngine {
  readonly url: string;
  /** Bodies of chat requests, as they came. */
  readonly bodies: string[];
  stop(): Promise<void>;
}

/**
 * Speaks vLLM's API as far as the proxy needs it, and answers chats, which are streamed, by `turn`.
 */
export function startRecordingEngine(
  turn: (messages: readonly EngineMessage[]) => EngineTurn,
): RecordingEngine {
  const bodies: string[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    async fetch(request) {
      const path = new URL(request.url).pathname;
      if (path === "/v1/models") {
        const model = { id: "small", object: "model", owned_by: "vllm", max_model_len: 100_000 };
        return Response.json({ object: "list", data: [model] });
      }
      if (path === "/version") {
        return Response.json({ version: "0.32.0" });
      }
      if (path === "/health" || path === "/metrics") {
        return new Response("");
      }
      if (path !== "/v1/chat/completions") {
        return new Response("not found", { status: 404 });
      }
      const body = await request.text();
      bodies.push(body);
      // The shape of OpenAI's chat request.
      const { messages } = JSON.parse(body) as { messages: EngineMessage[] };
      return new Response(streamOf(turn(messages)), {
        headers: { "content-type": "text/event-stream" },
      });
    },
  });
  return { url: `http://127.0.0.1:${server.port}`, bodies, stop: () => server.stop(true) };
}

function streamOf({ text, calls = [] }: EngineTurn): string {
  const toolCalls = calls.map(({ id, name, args }, index) => ({
    index,
    id,
    type: "function",
    function: { name, arguments: args },
  }));
  const delta = {
    role: "assistant",
    ...(text === undefined ? {} : { content: text }),
    ...(calls.length === 0 ? {} : { tool_calls: toolCalls }),
  };
  const finish_reason = calls.length === 0 ? "stop" : "tool_calls";
  const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
  const chunk = (part: object) =>
    `data: ${JSON.stringify({ id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model: "small", ...part })}\n\n`;
  return [
    chunk({ choices: [{ index: 0, delta, finish_reason: null }] }),
    chunk({ choices: [{ index: 0, delta: {}, finish_reason }] }),
    chunk({ choices: [], usage }),
    "data: [DONE]\n\n",
  ].join("");
}
