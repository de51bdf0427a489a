/** What this proxy itself has at each replica: counted with each choice, with no scrape between. */
export class Load {
  /** Requests in flight. */
  readonly requests: Int32Array;
  /** Prefill of requests without a first event, in seconds. */
  readonly aheadSeconds: Float64Array;

  constructor(replicas: number) {
    this.requests = new Int32Array(replicas);
    this.aheadSeconds = new Float64Array(replicas);
  }

  /** Books one request; the result is to be told of its first event and its end, once each. */
  book(replica: number, prefillSeconds: number): BookedLoad {
    this.requests[replica]! += 1;
    this.aheadSeconds[replica]! += prefillSeconds;
    let isAhead = true;
    const firstEvent = (): void => {
      if (!isAhead) {
        return;
      }
      isAhead = false;
      // Sums of fractions drift: an idle replica has exactly nothing ahead.
      const left = this.aheadSeconds[replica]! - prefillSeconds;
      this.aheadSeconds[replica] = left < driftSeconds ? 0 : left;
    };
    return {
      firstEvent,
      end: () => {
        firstEvent();
        this.requests[replica]! -= 1;
      },
    };
  }
}

/** A request's part in the load of a replica. */
export interface BookedLoad {
  firstEvent(): void;
  end(): void;
}

const driftSeconds = 1e-9;
