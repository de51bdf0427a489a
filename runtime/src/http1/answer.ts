import type { CancelSignal } from "../base/index.ts";
/** An answer to a request, as this folder's server writes it. */
export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case. What frames the body is the server's to write. */
  readonly headers: Readonly<Record<string, string>>;
  /** Whole, or written as it comes. */
  readonly body: Uint8Array | BodyFlow;
}

/** Writes a body; called once, when the head may go. */
export type BodyFlow = (sink: BodySink) => void;

/** Where a body is written to. After the client has left everything here does nothing. */
export interface BodySink {
  /** Takes bytes, which must not change any more; they go out with the next `flush`. */
  write(bytes: Uint8Array): void;
  /** Hands what was written to the socket, in one piece. */
  flush(): void;
  /** The body is complete. */
  end(): void;
  /** The body will never be complete: the connection breaks, so that the client knows. */
  cut(): void;
  /** True while the client takes less than it is given: whoever writes should wait. */
  readonly isFull: boolean;
  /** Told once the client has taken enough for more. */
  onDrain: (() => void) | undefined;
}

const emptyBody = new Uint8Array(0);

/** An answer of the platform's kind, its body handed on piece by piece. */
export function answerOfResponse(response: Response, signal: CancelSignal): HttpAnswer {
  const headers: Record<string, string> = {};
  for (const [name, value] of response.headers) {
    if (!framingHeaders.has(name)) {
      headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
    }
  }
  const { status, body } = response;
  // From now on it is seen to be read, and what it is made of with it.
  const reader = body?.getReader();
  return {
    status,
    headers,
    body: reader === undefined ? emptyBody : (sink) => pump(reader, sink, signal),
  };
}

const framingHeaders: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "transfer-encoding",
]);

function pump(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  sink: BodySink,
  signal: CancelSignal,
): void {
  // Whoever makes the body must hear that nobody wants it any more.
  const onGone = () => void reader.cancel().catch(() => undefined);
  signal.addEventListener("abort", onGone, { once: true });
  const run = async (): Promise<void> => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        signal.removeEventListener("abort", onGone);
        sink.end();
        return;
      }
      sink.write(value);
      sink.flush();
      if (sink.isFull) {
        await new Promise<void>((resolve) => {
          sink.onDrain = resolve;
        });
      }
    }
  };
  run().catch(() => sink.cut());
}

/** The same answer for a server of the platform's kind. */
export function responseOfAnswer(answer: HttpAnswer): Response {
  const { status, headers, body } = answer;
  return new Response(typeof body === "function" ? streamOf(body) : Uint8Array.from(body), {
    status,
    headers,
  });
}

function streamOf(flow: BodyFlow): ReadableStream<Uint8Array> {
  let sink: StreamSink | undefined;
  return new ReadableStream<Uint8Array>({
    start: (controller) => {
      sink = new StreamSink(controller);
      flow(sink);
    },
    pull: () => sink?.onDrain?.(),
    cancel: () => sink?.close(),
  });
}

/** Writes into a stream of the platform's. */
class StreamSink implements BodySink {
  readonly #controller: ReadableStreamDefaultController<Uint8Array>;
  #isOver = false;
  onDrain: (() => void) | undefined;

  constructor(controller: ReadableStreamDefaultController<Uint8Array>) {
    this.#controller = controller;
  }

  get isFull(): boolean {
    return !this.#isOver && (this.#controller.desiredSize ?? 0) <= 0;
  }

  close(): void {
    this.#isOver = true;
  }

  write(bytes: Uint8Array): void {
    if (!this.#isOver) {
      this.#controller.enqueue(bytes);
    }
  }

  flush(): void {
    // What is enqueued is on its way.
  }

  end(): void {
    if (!this.#isOver) {
      this.#isOver = true;
      this.#controller.close();
    }
  }

  cut(): void {
    if (!this.#isOver) {
      this.#isOver = true;
      this.#controller.error(new Error("the answer broke off"));
    }
  }
}
