import type { Readable } from "node:stream";

/**
 * The messages of a grpc-js call, taken one by one, so that the sender is held back while nobody
 * takes them. Ends when the stream ends, breaks or closes: which of these it was, the call's status
 * says, not its stream. (The platform's own iteration of a duplex waits for the writing side as
 * well.)
 */
export async function* readEach(stream: Readable, signal?: AbortSignal): AsyncGenerator<Buffer> {
  let isOver = false;
  let wake: () => void = () => undefined;
  const onReadable = () => wake();
  const onOver = () => {
    isOver = true;
    wake();
  };
  stream.on("readable", onReadable);
  for (const event of ["end", "error", "close"]) {
    stream.on(event, onOver);
  }
  signal?.addEventListener("abort", onOver, { once: true });
  try {
    for (;;) {
      // In object mode one read is one message.
      const message = stream.read() as Buffer | null;
      if (message !== null) {
        yield message;
      } else if (isOver || signal?.aborted === true || stream.readableEnded) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    stream.removeListener("readable", onReadable);
    signal?.removeEventListener("abort", onOver);
  }
}
