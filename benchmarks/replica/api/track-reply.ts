import type { HttpReply } from "../http/types.ts";
import type { Call } from "./call.ts";

/** Handlers that `http_*` leave out: what watches the server is not what it serves. */
const unmeasured = new Set(["/metrics", "/health", "/load", "/ping", "/version", "/server_info"]);

/**
 * Counts one request in `http_*` and, where it generates, in `/load`: until its answer has been
 * handed over, or until the client leaves.
 */
export async function tracked(
  call: Call,
  handler: string,
  replyTo: () => Promise<HttpReply>,
): Promise<HttpReply> {
  const { context, http } = call;
  if (unmeasured.has(handler)) return replyTo();
  let isInFlight = http.method === "POST" && /^\/(?:v1|inference)\//.test(handler);
  if (isInFlight) context.load += 1;
  const leave = () => {
    if (isInFlight) context.load -= 1;
    isInFlight = false;
  };
  http.signal.addEventListener("abort", leave, { once: true });
  const startedMs = context.clock.monotonicMs();
  const end = (status: number, responseBytes: number) => {
    leave();
    const seconds = (context.clock.monotonicMs() - startedMs) / 1000;
    const sizes = { requestBytes: http.body.length, responseBytes };
    context.httpMetrics.onEnd({ handler, method: http.method, status, seconds, ...sizes });
  };
  const reply = await replyTo();
  if ("cut" in reply) {
    leave();
    return reply;
  }
  if ("body" in reply) {
    end(reply.status, Buffer.byteLength(reply.body));
    return reply;
  }
  return {
    ...reply,
    begin: (body) => {
      reply.begin({
        write: (texts) => body.write(texts),
        end: () => {
          // As in vLLM, a stream has no length.
          end(reply.status, 0);
          body.end();
        },
        cut: () => {
          leave();
          body.cut();
        },
      });
    },
  };
}
