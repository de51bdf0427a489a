import { WarmpathError } from "@warmpath/runtime/base";
import type {
  Http1Error,
  Http1Exchange,
  Http1Head,
  Http1Sink,
  Origin,
} from "@warmpath/runtime/http1";
import { type Attempt, type AttemptMeans, type AttemptRequest, noEventError } from "./attempt.ts";
import type { AttemptFailure } from "./failure.ts";
import {
  emptyAnswer,
  emptyStream,
  faultOf,
  garbledAnswer,
  isGarbled,
  judgeFirst,
  lateFailure,
} from "./judge.ts";
import type { ReplicaAddress } from "./replica.ts";
import { SocketStream } from "./socket-stream.ts";
import { createEventFramer, type EventFramer } from "./sse.ts";
import { type Watch, watchVigil } from "./watchdog.ts";
import { formatOf, isWholeGivenUp } from "./wire-format.ts";

/*
 * An attempt over our own sockets. Cost per request: one write, one parse of a head, one watch; per
 * token of an open stream: see socket-stream.ts.
 */

/** Like `openAttempt`, for an upstream without TLS. */
export function openOverSockets(
  means: AttemptMeans,
  address: ReplicaAddress,
  origin: Origin,
  request: AttemptRequest,
): Promise<Attempt> {
  return new Promise((resolve, reject) => {
    new SocketAttempt(means, request, { resolve, reject }).send(address, origin, request);
  });
}

/** What an answer's head said it would be. */
type Expected = "head" | "fault" | "whole" | "events" | "open" | "over";

class SocketAttempt implements Http1Sink {
  readonly #means: AttemptMeans;
  // Of the request only this: its body must not live as long as its stream.
  readonly #path: AttemptRequest["path"];
  readonly #isStream: boolean;
  readonly #signal: AttemptRequest["signal"];
  readonly #vigil: AttemptRequest["vigil"];
  #tellHead: AttemptRequest["onHead"];
  readonly #settle: {
    readonly resolve: (attempt: Attempt) => void;
    readonly reject: (reason: unknown) => void;
  };
  readonly #watch: Watch;
  readonly #onCallerLeft: () => void;
  #exchange: Http1Exchange | undefined;
  #expected: Expected = "head";
  #status = 0;
  #contentType = "application/json";
  #retryAfter: string | null = null;
  /** What has come of a whole answer, or of the events before the first with data. */
  #pieces: Uint8Array[] = [];
  #heldBytes = 0;
  #framer: EventFramer | undefined;
  #stream: SocketStream | undefined;

  constructor(
    means: AttemptMeans,
    request: AttemptRequest,
    settle: {
      readonly resolve: (attempt: Attempt) => void;
      readonly reject: (reason: unknown) => void;
    },
  ) {
    this.#means = means;
    this.#path = request.path;
    this.#isStream = request.isStream;
    this.#signal = request.signal;
    this.#vigil = request.vigil;
    this.#tellHead = request.onHead;
    this.#settle = settle;
    this.#watch = watchVigil(means.watchdog, this.#vigil, (silentMs) =>
      this.#fail(lateFailure(silentMs)),
    );
    this.#onCallerLeft = () => {
      this.#exchange?.abort();
      this.#end();
      this.#vigil.end();
      settle.reject(this.#signal.reason);
    };
    this.#signal.addEventListener("abort", this.#onCallerLeft);
  }

  send(
    { authorization, pathPrefix }: ReplicaAddress,
    origin: Origin,
    request: AttemptRequest,
  ): void {
    const { headers, body, usesFreshConnection } = request;
    const path = request.wirePath ?? request.path;
    this.#exchange = this.#means.client.send(
      origin,
      {
        method: "POST",
        path: pathPrefix === "" ? path : `${pathPrefix}${path}`,
        headers: authorization === undefined ? headers : { ...headers, authorization },
        body,
      },
      this,
      usesFreshConnection ? freshConnection : undefined,
    );
  }

  onHead({ status, fields }: Http1Head): void {
    const { limits } = this.#means;
    this.#tellHead?.(status, fields);
    this.#tellHead = undefined;
    this.#status = status;
    this.#contentType = fields.get("content-type") ?? this.#contentType;
    const encoding = fields.get("content-encoding");
    if (encoding !== null && encoding !== "identity") {
      this.#refuse("it compressed its answer though it was asked not to");
      return;
    }
    if (status < 200 || status >= 300) {
      this.#retryAfter = fields.get("retry-after");
      this.#expected = "fault";
    } else if (this.#isStream && this.#contentType.includes("text/event-stream")) {
      this.#framer = createEventFramer(limits.eventBytesMax);
      this.#expected = "events";
      return;
    } else {
      this.#expected = "whole";
    }
    // A declared length is judged before anything is read.
    this.#checkSize(Number(fields.get("content-length") ?? 0));
  }

  onBody(bytes: Uint8Array): void {
    switch (this.#expected) {
      case "open":
        this.#stream?.push(bytes);
        return;
      case "events":
        this.#holdUntilFirstEvent(bytes);
        return;
      case "fault":
      case "whole":
        this.#pieces.push(bytes);
        this.#heldBytes += bytes.length;
        this.#checkSize(this.#heldBytes);
        return;
      case "head":
      case "over":
        return;
    }
  }

  onRead(): void {
    this.#stream?.read();
  }

  onEnd(): void {
    switch (this.#expected) {
      case "open":
        this.#stream?.end();
        return;
      case "events":
        this.#resolve(emptyStream);
        return;
      case "fault":
        this.#resolve(faultOf(this.#status, joined(this.#pieces), this.#retryAfter));
        return;
      case "whole": {
        const bytes = joined(this.#pieces);
        const contentType = this.#contentType;
        if (isGarbled(bytes)) {
          this.#resolve(garbledAnswer);
          return;
        }
        this.#resolve(
          isWholeGivenUp(formatOf(this.#path), bytes)
            ? emptyAnswer
            : { kind: "whole", contentType, bytes },
        );
        return;
      }
      case "head":
      case "over":
        return;
    }
  }

  onFail(error: Http1Error): void {
    if (this.#stream !== undefined) {
      this.#stream.fail(error);
      return;
    }
    this.#fail({
      kind: error.kind === "unreachable" ? "unreachable" : "died",
      message: error.message,
      retryAfterMs: undefined,
    });
  }

  /**
   * Reads until an event with data is there: an error is a failed attempt, content opens the
   * stream.
   */
  #holdUntilFirstEvent(bytes: Uint8Array): void {
    const { limits, watchdog } = this.#means;
    const framer = this.#framer;
    const exchange = this.#exchange;
    if (framer === undefined || exchange === undefined) {
      return;
    }
    let block: Uint8Array;
    try {
      block = framer.push(bytes);
    } catch (error) {
      this.#refuse(WarmpathError.from(error).message);
      return;
    }
    if (block.length === 0) {
      return;
    }
    this.#pieces.push(block);
    this.#heldBytes += block.length;
    if (this.#heldBytes > limits.eventBytesMax + bytes.length) {
      this.#refuse(noEventError(limits.eventBytesMax).message);
      return;
    }
    const first = judgeFirst(block);
    if (first === undefined) {
      return;
    }
    if (first !== "content") {
      exchange.abort();
      this.#resolve(first);
      return;
    }
    const vigil = this.#vigil;
    vigil.opened();
    const stream = new SocketStream({
      first: joined(this.#pieces),
      exchange,
      framer,
      watchdog,
      vigil,
    });
    this.#resolve({ kind: "stream", contentType: this.#contentType, stream });
    this.#stream = stream;
    this.#expected = "open";
  }

  #checkSize(bytes: number): void {
    const { answerBytesMax, eventBytesMax } = this.#means.limits;
    const bytesMax = this.#expected === "whole" ? answerBytesMax : eventBytesMax;
    if (bytes > bytesMax) {
      this.#refuse(`its answer has more than ${bytesMax} bytes`);
    }
  }

  #refuse(message: string): void {
    this.#fail({ kind: "refused", message, retryAfterMs: undefined });
  }

  #fail(failure: AttemptFailure): void {
    // An answer that was given up must not go on behind our back.
    this.#exchange?.abort();
    this.#resolve({ kind: "failed", failure });
  }

  #resolve(attempt: Attempt): void {
    this.#end();
    const vigil = this.#vigil;
    if (attempt.kind === "whole") {
      vigil.opened();
    }
    if (attempt.kind !== "stream") {
      vigil.end();
    }
    this.#settle.resolve(attempt);
  }

  #end(): void {
    this.#watch.stop();
    this.#signal.removeEventListener("abort", this.#onCallerLeft);
    this.#expected = "over";
    this.#pieces = [];
  }
}

const freshConnection = { usesFreshConnection: true } as const;

function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const [only] = pieces;
  // What Bun's sockets hand over lies in an ArrayBuffer of its own.
  return pieces.length === 1 && only !== undefined
    ? (only as Uint8Array<ArrayBuffer>)
    : Buffer.concat(pieces);
}
