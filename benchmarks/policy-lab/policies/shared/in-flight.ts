import type { RoutedRequest } from "../../types.ts";

/** One request between its placement and its end. */
interface InFlightRequest {
  readonly replica: number;
  /** Prompt tokens believed not to be cached where it went. */
  readonly uncachedTokens: number;
  /** True once its first token came out: its prefill is no longer ahead. */
  isDecoding: boolean;
}

/** What a router counts itself, with no scrape between: requests and prefill on each replica. */
export class InFlight {
  /** Requests on each replica. */
  readonly requests: Int32Array;
  /** Uncached prompt tokens of requests without a first token, on each replica. */
  readonly prefillTokens: Float64Array;
  readonly #byId = new Map<number, InFlightRequest>();

  constructor(replicas: number) {
    this.requests = new Int32Array(replicas);
    this.prefillTokens = new Float64Array(replicas);
  }

  placed({ id }: RoutedRequest, replica: number, uncachedTokens: number): void {
    this.#byId.set(id, { replica, uncachedTokens, isDecoding: false });
    this.requests[replica]! += 1;
    this.prefillTokens[replica]! += uncachedTokens;
  }

  firstToken(requestId: number): void {
    const request = this.#byId.get(requestId);
    if (request === undefined || request.isDecoding) return;
    request.isDecoding = true;
    this.prefillTokens[request.replica]! -= request.uncachedTokens;
  }

  /** Returns where the request was, or undefined when it was never placed or ended before. */
  ended(requestId: number): number | undefined {
    const request = this.#byId.get(requestId);
    if (request === undefined) return undefined;
    this.firstToken(requestId);
    this.#byId.delete(requestId);
    this.requests[request.replica]! -= 1;
    return request.replica;
  }
}
