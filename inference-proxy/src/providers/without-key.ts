import type { Attempt, OpenStream, StreamSink } from "../upstream/attempt.ts";
import type { UpstreamError } from "../upstream/error-body.ts";
import { searchable } from "../upstream/json-scan.ts";
import type { ReplicaAddress } from "../upstream/replica.ts";

/*
 * What an upstream says must not tell our key, which some repeat in their errors. Cost: nothing for
 * an engine of ours unless it fails; one byte search a read of a hosted provider's answer.
 */

const mask = "[key]";

/** The secret of an upstream; undefined where it needs none. */
export function secretOf({ provider, authorization }: ReplicaAddress): string | undefined {
  return provider?.key ?? authorization?.slice(authorization.indexOf(" ") + 1);
}

/** A text without the key, as it is and as JSON writes it. */
export function textWithoutKey(text: string, key: string): string {
  const quoted = JSON.stringify(key).slice(1, -1);
  const masked = text.replaceAll(key, mask);
  return quoted === key ? masked : masked.replaceAll(quoted, mask);
}

/** The attempt without the key in any text of its error. */
export function errorWithoutKey(attempt: Attempt, key: string): Attempt {
  switch (attempt.kind) {
    case "fault":
      return { ...attempt, error: upstreamErrorWithoutKey(attempt.error, key) };
    case "failed": {
      const { failure } = attempt;
      const message = textWithoutKey(failure.message, key);
      return { kind: "failed", failure: { ...failure, message } };
    }
    default:
      return attempt;
  }
}

function upstreamErrorWithoutKey(error: UpstreamError, key: string): UpstreamError {
  return {
    message: textWithoutKey(error.message, key),
    type: error.type && textWithoutKey(error.type, key),
    param: error.param && textWithoutKey(error.param, key),
    code: error.code && textWithoutKey(error.code, key),
    status: error.status,
  };
}

/** The same, and neither is the key in an answer: an error may come in the middle of one. */
export function attemptWithoutKey(attempt: Attempt, key: string): Attempt {
  switch (attempt.kind) {
    case "stream":
      return { ...attempt, stream: new StreamWithoutKey(attempt.stream, key) };
    case "whole": {
      const { bytes } = attempt;
      return searchable(bytes).includes(key)
        ? { ...attempt, bytes: Buffer.from(bytesWithoutKey(bytes, key)) }
        : attempt;
    }
    default:
      return errorWithoutKey(attempt, key);
  }
}

/** Blocks are whole events, so a key is never cut by the end of one. */
function bytesWithoutKey(block: Uint8Array, key: string): Uint8Array {
  const bytes = searchable(block);
  // Bytes that are no characters survive in Latin-1, and keys are of ASCII.
  return bytes.includes(key)
    ? Buffer.from(bytes.toString("latin1").replaceAll(key, mask), "latin1")
    : block;
}

class StreamWithoutKey implements OpenStream {
  readonly first: Uint8Array;
  readonly flow?: (sink: StreamSink) => void;
  readonly #stream: OpenStream;
  readonly #key: string;

  constructor(stream: OpenStream, key: string) {
    this.#stream = stream;
    this.#key = key;
    this.first = bytesWithoutKey(stream.first, key);
    if (stream.flow !== undefined) {
      this.flow = (sink) =>
        stream.flow?.({
          onBlock: (block) => sink.onBlock(bytesWithoutKey(block, key)),
          onRead: () => sink.onRead(),
          onEnd: () => sink.onEnd(),
          onFail: (error) => sink.onFail(error),
        });
    }
  }

  async next(): Promise<Uint8Array | undefined> {
    const block = await this.#stream.next();
    return block && bytesWithoutKey(block, this.#key);
  }

  pause(): void {
    this.#stream.pause?.();
  }

  resume(): void {
    this.#stream.resume?.();
  }

  cancel(): void {
    this.#stream.cancel();
  }
}
