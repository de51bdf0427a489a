/**
 * What is at each replica: what this proxy has booked itself, counted with each choice and no
 * scrape between, and what others say that they have.
 */
export class Load {
  /** Own requests in flight. */
  readonly requests: Int32Array;
  /** Own prefill of requests without a first event, in seconds. */
  readonly aheadSeconds: Float64Array;
  /** Both with what other proxies have: what a choice goes by. */
  readonly allRequests: Int32Array;
  readonly allAheadSeconds: Float64Array;
  readonly #foreignRequests: Int32Array;
  readonly #foreignAheadSeconds: Float64Array;

  constructor(replicas: number) {
    this.requests = new Int32Array(replicas);
    this.aheadSeconds = new Float64Array(replicas);
    this.allRequests = new Int32Array(replicas);
    this.allAheadSeconds = new Float64Array(replicas);
    this.#foreignRequests = new Int32Array(replicas);
    this.#foreignAheadSeconds = new Float64Array(replicas);
  }

  /** What other proxies have there now, in place of what they last had. */
  setForeign(replica: number, requests: number, aheadSeconds: number): void {
    this.#foreignRequests[replica] = requests;
    this.#foreignAheadSeconds[replica] = aheadSeconds;
    this.#sum(replica);
  }

  /** Books one request; the result is to be told of its first event and its end, once each. */
  book(replica: number, prefillSeconds: number): BookedLoad {
    this.requests[replica]! += 1;
    this.aheadSeconds[replica]! += prefillSeconds;
    this.#sum(replica);
    let isAhead = true;
    const firstEvent = (): void => {
      if (!isAhead) {
        return;
      }
      isAhead = false;
      // Sums of fractions drift: an idle replica has exactly nothing ahead.
      const left = this.aheadSeconds[replica]! - prefillSeconds;
      this.aheadSeconds[replica] = left < driftSeconds ? 0 : left;
      this.#sum(replica);
    };
    return {
      firstEvent,
      end: () => {
        firstEvent();
        this.requests[replica]! -= 1;
        this.#sum(replica);
      },
    };
  }

  #sum(replica: number): void {
    this.allRequests[replica] = this.requests[replica]! + this.#foreignRequests[replica]!;
    this.allAheadSeconds[replica] =
      this.aheadSeconds[replica]! + this.#foreignAheadSeconds[replica]!;
  }
}

/** A request's part in the load of a replica. */
export interface BookedLoad {
  firstEvent(): void;
  end(): void;
}

const driftSeconds = 1e-9;
