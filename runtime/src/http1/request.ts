import { type CancelSignal, WarmpathError } from "../base/index.ts";
import { type BodyBudget, noRoomForBody } from "./body-budget.ts";
import type { FieldsView } from "./types.ts";

/** A request as handlers of the hot path see it, whichever server read it. */
export interface HttpRequest {
  readonly method: string;
  /** Absolute. */
  readonly url: string;
  /** Of the URL, without its query. */
  readonly path: string;
  /** Names in lower case. */
  readonly headers: FieldsView;
  /** Aborts when the client has left before it had its whole answer. */
  readonly signal: CancelSignal;
  /**
   * The whole body, at once where it is all here, as small ones are. Throws or rejects with
   * `rejected-too-large` as soon as it is known to have more than `bytesMax`, and with
   * `rejected-queue-full` where too many bodies are on their way, or too many of this `owner`'s.
   * Once.
   */
  readBody(
    bytesMax: number,
    owner?: string,
  ): Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>>;
  /** The same request for handlers of the platform's kind; instead of `readBody`. */
  toFetch(): Request;
}

/** A request that a server of the platform's kind has read. */
export class PlatformRequest implements HttpRequest {
  readonly #request: Request;
  readonly #budget: BodyBudget;

  constructor(request: Request, budget: BodyBudget) {
    this.#request = request;
    this.#budget = budget;
  }

  get method(): string {
    return this.#request.method;
  }

  get url(): string {
    return this.#request.url;
  }

  get path(): string {
    return pathOf(this.#request.url);
  }

  get headers(): FieldsView {
    return this.#request.headers;
  }

  get signal(): CancelSignal {
    return this.#request.signal;
  }

  async readBody(bytesMax: number, owner = ""): Promise<Uint8Array<ArrayBuffer>> {
    const declared = this.#request.headers.get("content-length");
    if (declared !== null && Number(declared) > bytesMax) {
      throw tooLarge(bytesMax);
    }
    const pieces: Uint8Array[] = [];
    let size = 0;
    try {
      for await (const piece of this.#request.body ?? []) {
        size += piece.length;
        this.#budget.add(piece.length, owner);
        if (size > bytesMax) {
          throw tooLarge(bytesMax);
        }
        if (this.#budget.isSpentFor(owner)) {
          throw noRoomForBody();
        }
        pieces.push(piece);
      }
    } finally {
      this.#budget.add(-size, owner);
    }
    return Buffer.concat(pieces);
  }

  toFetch(): Request {
    return this.#request;
  }
}

/** The path of an absolute URL without its query; scanning is three times cheaper than parsing. */
export function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  const query = url.indexOf("?", start);
  return start < 0 ? "/" : url.slice(start, query < 0 ? undefined : query);
}

/** The error of a body that is larger than it may be. */
export function tooLarge(bytesMax: number): WarmpathError {
  return new WarmpathError("rejected-too-large", `a body may have at most ${bytesMax} bytes`);
}
