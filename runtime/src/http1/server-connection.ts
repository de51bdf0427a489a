import type { Socket } from "bun";
import { after, systemClock } from "../base/index.ts";
import { answerOfResponse, type HttpAnswer } from "./answer.ts";
import { AnswerWriter } from "./answer-writer.ts";
import { type BodyReader, createBodyReader } from "./body-reader.ts";
import { HeadReader } from "./fields.ts";
import { type BodySource, IncomingRequest } from "./incoming.ts";
import { LaterBytes } from "./later-bytes.ts";
import { Outbox } from "./outbox.ts";
import {
  http2Preface,
  type RequestHead,
  RequestHeadReader,
  skipEmptyLines,
} from "./parse-request.ts";
import {
  askedAfterMs,
  discardedBytesMax,
  idleSecondsMax,
  lingerSeconds,
  oldClientMs,
  pipelinedBytesMax,
  receiveSecondsMax,
  takeSecondsMax,
} from "./server-bounds.ts";
import type { ServerMeans } from "./server-means.ts";
import type { SocketOwner } from "./socket-owner.ts";
import { badRequest, continueLine } from "./status-text.ts";
import { Http1Error } from "./types.ts";

/** One client's connection: one request after another, each answered before the next is read. */
export class ServerConnection implements BodySource, SocketOwner {
  readonly #means: ServerMeans;
  readonly #socket: Socket<SocketOwner>;
  /** Every byte that the client takes gives it more time: a slow one is no dead one. */
  readonly #outbox = new Outbox(() => this.#socket.timeout(takeSecondsMax));
  readonly #headReader = new HeadReader();
  readonly #requestHeads = new RequestHeadReader();
  #head: RequestHead | undefined;
  #request: IncomingRequest | undefined;
  /** What is still to come of the request. */
  #body: BodyReader | undefined;
  #writer: AnswerWriter | undefined;
  #isAnswered = false;
  /** Requests that came before their turn. */
  readonly #later = new LaterBytes();
  #discardedBytes = 0;
  #isPaused = false;
  /** Nothing more is read; it closes when all is written. */
  #isEnding = false;
  #isGone = false;
  /** The client has sent all that it will. */
  #isHalfClosed = false;
  readonly #take = (piece: Buffer): void => {
    this.#discardedBytes += this.#request?.isDiscarded === true ? piece.length : 0;
    this.#request?.push(piece);
  };

  constructor(socket: Socket<SocketOwner>, means: ServerMeans) {
    this.#socket = socket;
    this.#means = means;
    this.#outbox.attach(socket);
    socket.timeout(receiveSecondsMax);
  }

  read(bytes: Buffer): void {
    if (this.#isGone || this.#isEnding) {
      return;
    }
    try {
      this.#consume(bytes);
    } catch (error) {
      if (!(error instanceof Http1Error)) {
        throw error;
      }
      if (this.#writer === undefined) {
        // Behind an answer that has begun it would be read as part of that, or as the next.
        this.#outbox.write(badRequest);
      }
      this.#leaveRequest();
      this.#end();
    }
  }

  drained(): void {
    const wasBehind = this.#outbox.heldBytes > 0;
    this.#outbox.drain();
    if (this.#outbox.heldBytes > 0) {
      return;
    }
    if (this.#isEnding) {
      this.#linger();
      return;
    }
    if (wasBehind) {
      this.#socket.timeout(this.#secondsMax);
    }
    this.#writer?.drained();
    this.#startNext();
  }

  timedOut(): void {
    if (this.#request === undefined && this.#outbox.heldBytes === 0) {
      this.#close();
    } else {
      this.cut();
    }
  }

  /** The client sends no more: it waits for its answers, or has left. */
  ended(): void {
    if (this.#isGone || this.#isHalfClosed) {
      return;
    }
    this.#isHalfClosed = true;
    this.#outbox.settle();
    if (this.#request !== undefined) {
      // A stream under way is left at once: who meant to read it said so before it began.
      if (this.#body !== undefined || this.#writer !== undefined) {
        this.cut();
      } else {
        this.#askWhetherGone(this.#request, this.#head?.knowsChunks === true);
      }
    } else if (this.#outbox.heldBytes === 0) {
      this.#close();
    } else if (this.#later.length === 0 && !this.#isEnding) {
      this.#end();
    }
  }

  #askWhetherGone(request: IncomingRequest, knowsInterim: boolean): void {
    after(systemClock, knowsInterim ? askedAfterMs : oldClientMs, () => {
      if (this.#isGone || this.#request !== request || this.#writer !== undefined) {
        return;
      }
      if (knowsInterim) {
        this.#outbox.write(continueLine);
      } else {
        this.cut();
      }
    });
  }

  /** The socket is gone, whoever closed it. */
  closed(): void {
    if (this.#isGone) {
      return;
    }
    this.#isGone = true;
    this.#outbox.clear();
    this.#later.clear();
    // First: what a request's listeners throw must not keep the server from closing.
    this.#means.onClosed(this);
    this.#leaveRequest();
  }

  /** The server is closing: it goes at once, or after the answer that is under way. */
  closeWhenIdle(): void {
    if (this.#request !== undefined) {
      return;
    }
    this.#outbox.settle();
    if (this.#outbox.heldBytes === 0) {
      this.#close();
    } else {
      this.#end();
    }
  }

  /** Ends it at once; what the client has not read yet of earlier answers is lost with it. */
  cut(): void {
    this.#socket.terminate();
    this.closed();
  }

  /** Ends it with nothing under way; the system goes on with what it has taken of the answers. */
  #close(): void {
    this.#socket.end();
    this.closed();
  }

  wantBody(): void {
    if (this.#head?.expectsContinue === true && this.#body !== undefined) {
      this.#head = { ...this.#head, expectsContinue: false };
      this.#outbox.write(continueLine);
    }
    this.#unpause();
  }

  holdBody(): void {
    if (!this.#isPaused && !this.#isGone) {
      this.#isPaused = true;
      this.#socket.pause();
    }
  }

  #unpause(): void {
    if (this.#isPaused && !this.#isGone) {
      this.#isPaused = false;
      this.#socket.resume();
    }
  }

  #consume(read: Buffer): void {
    let bytes = read;
    let at = 0;
    while (at < bytes.length && !this.#isEnding) {
      if (this.#body !== undefined) {
        at = this.#readBody(this.#body, bytes, at);
      } else if (this.#request !== undefined || this.#outbox.heldBytes > 0) {
        this.#keepForLater(bytes.subarray(at));
        return;
      } else {
        const from = this.#headReader.isWithin ? at : skipEmptyLines(bytes, at);
        const head = from === bytes.length ? undefined : this.#headReader.read(bytes, from);
        if (head === undefined) {
          return;
        }
        ({ bytes, next: at } = head);
        if (head.text === http2Preface) {
          this.#outbox.settle();
          this.#isEnding = true;
          this.#socket.timeout(0);
          this.#means.takeHttp2(this.#socket, bytes.subarray(at), this);
          return;
        }
        at = this.#begin(this.#requestHeads.read(head.text), bytes, at);
      }
    }
  }

  /** A request begins; what has come of its body is in hand before anybody handles it. */
  #begin(head: RequestHead, bytes: Buffer, at: number): number {
    const request = new IncomingRequest(head, this, this.#means.bodies);
    this.#head = head;
    this.#request = request;
    this.#isAnswered = false;
    this.#discardedBytes = 0;
    const body = createBodyReader(head.framing);
    this.#body = body;
    const next = this.#readBody(body, bytes, at);
    this.#means.handle(request).then(
      (answer) => this.#answer(request, head, answer),
      (thrown: unknown) => this.#answer(request, head, this.#means.answerError(request, thrown)),
    );
    return next;
  }

  #readBody(body: BodyReader, bytes: Buffer, at: number): number {
    const next = body.read(bytes, at, this.#take);
    if (body.isDone) {
      this.#body = undefined;
      this.#unpause();
      // It may take as long to answer as it likes.
      this.#socket.timeout(this.#outbox.heldBytes > 0 ? takeSecondsMax : 0);
      this.#request?.end();
      this.#finish();
    } else if (this.#discardedBytes > discardedBytesMax) {
      if (!this.#isAnswered) {
        this.#leaveRequest();
      }
      this.#end();
    } else {
      this.#socket.timeout(receiveSecondsMax);
    }
    return next;
  }

  #keepForLater(bytes: Buffer): void {
    this.#later.add(bytes);
    if (this.#later.length > pipelinedBytesMax) {
      this.holdBody();
    }
  }

  #answer(request: IncomingRequest, head: RequestHead, answer: HttpAnswer | Response): void {
    try {
      this.#beginAnswer(request, head, answer);
    } catch (error) {
      this.#means.onFault(error);
      this.cut();
    }
  }

  #beginAnswer(request: IncomingRequest, head: RequestHead, answer: HttpAnswer | Response): void {
    if (this.#isGone || this.#request !== request) {
      if (answer instanceof Response) {
        // Nobody will read it: whoever makes it should stop.
        answer.body?.cancel().catch(() => undefined);
      }
      return;
    }
    const isUninvited = this.#body !== undefined && this.#head?.expectsContinue === true;
    const framing = {
      usesChunks: head.knowsChunks,
      // Whether a client that was not invited still sends its body cannot be known.
      isLast: !head.keepsAlive || this.#means.isClosing || this.#isLastOfHalf || isUninvited,
      omitsBody: head.method === "HEAD",
    };
    this.#writer = new AnswerWriter(this.#outbox, framing, (isWhole) => {
      this.#isAnswered = true;
      if (isWhole && !isUninvited) {
        this.#finish(framing.isLast);
      } else if (framing.usesChunks) {
        // What has gone out stays, and the missing end mark says that more was due.
        this.#end();
      } else {
        // Where the end of the connection is that of the body, only a reset says so.
        this.#outbox.settle();
        this.cut();
      }
    });
    const whole = answer instanceof Response ? answerOfResponse(answer, request.signal) : answer;
    if (isUninvited) {
      request.refuseBody();
    } else if (this.#body !== undefined) {
      request.discardUnread();
    }
    this.#writer.begin(whole, this.#means.date());
  }

  /** Goes on to the next request once this one has been read and answered. */
  #finish(isLast = false): void {
    if (this.#isGone || !this.#isAnswered || this.#body !== undefined) {
      return;
    }
    const closes =
      isLast || this.#head?.keepsAlive === false || this.#means.isClosing || this.#isLastOfHalf;
    this.#request = undefined;
    this.#writer = undefined;
    if (closes) {
      this.#end();
    } else {
      if (this.#outbox.heldBytes === 0) {
        this.#socket.timeout(idleSecondsMax);
      }
      this.#startNext();
    }
  }

  #startNext(): void {
    if (this.#later.length === 0 || this.#request !== undefined || this.#outbox.heldBytes > 0) {
      return;
    }
    const later = this.#later.take();
    this.#unpause();
    this.read(later);
  }

  /** Nothing more is read; what is written goes out first. */
  #end(): void {
    this.#isEnding = true;
    this.#later.clear();
    this.#request = undefined;
    this.#writer = undefined;
    this.#unpause();
    this.#outbox.settle();
    if (this.#outbox.heldBytes === 0) {
      this.#linger();
    } else {
      this.#socket.timeout(takeSecondsMax);
    }
  }

  /** All is written: the client has a moment to close its side. */
  #linger(): void {
    this.#socket.timeout(lingerSeconds);
    if (this.#body === undefined) {
      this.#socket.end();
    } else {
      // To close on what is still being sent would be a reset, which takes the answer with it.
      this.#socket.shutdown();
    }
  }

  /** True where nothing can follow what is being answered. */
  get #isLastOfHalf(): boolean {
    return this.#isHalfClosed && this.#later.length === 0;
  }

  /** How long the client may be silent, by what it is to do; 0: for ever. */
  get #secondsMax(): number {
    if (this.#body !== undefined) {
      return receiveSecondsMax;
    }
    return this.#request === undefined ? idleSecondsMax : 0;
  }

  #leaveRequest(): void {
    const request = this.#request;
    const writer = this.#writer;
    this.#request = undefined;
    this.#writer = undefined;
    try {
      request?.leave();
    } finally {
      writer?.leave();
    }
  }
}
