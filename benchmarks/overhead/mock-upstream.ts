/**
 * An upstream that answers at once: what remains is the cost of whoever stands in front. Speaks
 * just enough of an OpenAI-compatible engine to be admitted to a pool. Ends when its standard input
 * closes.
 */
const answer = JSON.stringify({
  id: "chatcmpl-mock",
  object: "chat.completion",
  created: 1_700_000_000,
  model: "mock",
  choices: [
    {
      index: 0,
      message: { role: "assistant", content: "[simulated] A constant answer of a mock upstream." },
      finish_reason: "stop",
    },
  ],
  usage: { prompt_tokens: 256, total_tokens: 266, completion_tokens: 10 },
});
const models = JSON.stringify({
  object: "list",
  data: [{ id: "mock", object: "model", created: 1_700_000_000, owned_by: "warmpath-simulated" }],
});
const metrics = 'vllm:num_requests_running{engine="0",model_name="mock"} 0.0\n';
const json = { headers: { "content-type": "application/json", "x-simulated": "true" } };

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  idleTimeout: 0,
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/v1/chat/completions") {
      await request.arrayBuffer();
      return new Response(answer, json);
    }
    if (pathname === "/v1/models") return new Response(models, json);
    if (pathname === "/metrics") return new Response(metrics);
    if (pathname === "/health") return new Response("");
    return Response.json({ detail: "Not Found" }, { status: 404 });
  },
});
process.stdout.write(
  `${JSON.stringify({ ready: true, url: `http://127.0.0.1:${server.port}` })}\n`,
);
process.stdin.on("end", () => process.exit(0));
process.stdin.resume();
