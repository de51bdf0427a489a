import type { OpenSpan } from "@warmpath/runtime";

/** One server-sent event, as bytes are written; `id` is what a reconnecting client sends back. */
export function formatSse(event: { name: string; body: unknown; id?: string | undefined }): string {
  const id = event.id === undefined ? "" : `id: ${event.id}\n`;
  // JSON.stringify escapes line breaks, so that the body is always one `data:` line.
  return `event: ${event.name}\n${id}data: ${JSON.stringify(event.body)}\n\n`;
}

/** A comment: keeps the connection alive and is no event. */
export function formatSseComment(text: string): string {
  return `: ${text}\n\n`;
}

/** Headers of an event stream; the last one keeps nginx from holding events back. */
export const sseHeaders = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-store",
  "x-accel-buffering": "no",
} as const;

/**
 * A body that pulls from a generator, one text at a time, so that a slow reader slows the generator
 * down. When the reader goes away `onCancel` is called and the generator is closed. Each step runs
 * inside the span, which ends with the body.
 */
export function streamOf(
  texts: AsyncGenerator<string, void, undefined>,
  { span, onCancel }: { readonly span: OpenSpan; readonly onCancel: () => void },
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = await span.run(() => texts.next());
      if (next.done === true) {
        span.end();
        controller.close();
      } else {
        controller.enqueue(encoder.encode(next.value));
      }
    },
    async cancel() {
      onCancel();
      await span.run(() => texts.return());
      span.end();
    },
  });
}
