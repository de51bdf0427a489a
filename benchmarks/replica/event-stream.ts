import { vllmHeaders } from "./headers.ts";

/** Writes one server-sent event; several of one step leave in one write. */
export type SendEvents = (events: readonly object[]) => void;

const encoder = new TextEncoder();

/**
 * A response whose head leaves at once and whose events follow as `produce` makes them. `produce`
 * gets a signal that aborts as soon as the client is gone, whether that shows on the request or on
 * the body.
 */
export function eventStream(
  requestId: string,
  requestSignal: AbortSignal,
  produce: (send: SendEvents, signal: AbortSignal) => Promise<void>,
): Response {
  const bodyGone = new AbortController();
  const signal = AbortSignal.any([requestSignal, bodyGone.signal]);
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      const send: SendEvents = (events) => {
        const text = events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("");
        if (text !== "") controller.enqueue(encoder.encode(text));
      };
      try {
        await produce(send, signal);
        controller.enqueue(encoder.encode("data: [DONE]\n\n"));
        controller.close();
      } catch (error) {
        // The client left, so nobody reads what would be written here.
        if (!signal.aborted) controller.error(error);
      }
    },
    cancel() {
      bodyGone.abort(new DOMException("the client left", "AbortError"));
    },
  });
  return new Response(body, {
    headers: { ...vllmHeaders(requestId), "content-type": "text/event-stream; charset=utf-8" },
  });
}
