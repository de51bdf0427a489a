import type { AdapterNews } from "./adapters.ts";
import { codeOf, lastingRefusalOf } from "./eligible.ts";
import type { Endpoint } from "./types.ts";

/** What the endpoints are to requests for one model, by replica. */
export interface ModelView {
  /** Codes of `lastingRefusalOf`. */
  readonly lasting: Uint8Array;
  /** Longest prompt and answer together; beyond all bounds where nobody says. */
  readonly contextTokens: Float64Array;
  /** True where any of them lists the model as a LoRA adapter. */
  isAdapter: boolean;
}

const unknownModel = codeOf("unknown-model");
const unhealthy = codeOf("unhealthy");

/** Hears what engines say of themselves, once each time that they say it. */
export interface FleetListener {
  /** A KV capacity in tokens; each change of it. */
  onCapacity(replica: number, kvTokens: number): void;
  /** What the engine says of its adapters, or that it says nothing. */
  onAdapters(replica: number, news: AdapterNews | undefined): void;
  /** Requests that the engine had, running and waiting, whoever sent them. */
  onRequests(replica: number, requests: number, atMs: number): void;
}

/** Clients name models as they like: the one looked at first is forgotten first. */
const modelsMax = 64;

/**
 * The endpoints as arrays of numbers, so that a choice reads no object for each of them. What a
 * probe or a breaker changes comes as another object in the same place; only those are read again.
 */
export class Fleet {
  /** Most requests that this proxy keeps at each replica. */
  readonly inFlightMax: Float64Array;
  readonly #views = new Map<string, ModelView>();
  readonly #listener: FleetListener;
  #endpoints: readonly Endpoint[] = [];

  constructor(replicas: number, listener: FleetListener) {
    this.inFlightMax = new Float64Array(replicas);
    this.#listener = listener;
  }

  /** Takes in what has changed since the last time. */
  look(endpoints: readonly Endpoint[]): void {
    const before = this.#endpoints;
    if (endpoints === before) {
      return;
    }
    this.#endpoints = endpoints;
    for (let replica = 0; replica < endpoints.length; replica += 1) {
      const endpoint = endpoints[replica]!;
      if (endpoint !== before[replica]) {
        this.#take(replica, endpoint, before[replica]);
      }
    }
  }

  /** Of the endpoints that were looked at last. */
  viewOf(model: string): ModelView {
    const known = this.#views.get(model);
    if (known !== undefined) {
      return known;
    }
    const view = {
      lasting: new Uint8Array(this.#endpoints.length),
      contextTokens: new Float64Array(this.#endpoints.length),
      isAdapter: false,
    };
    for (let replica = 0; replica < this.#endpoints.length; replica += 1) {
      write(view, replica, this.#endpoints[replica]!, model);
    }
    if (this.#views.size >= modelsMax) {
      const first = this.#views.keys().next();
      this.#views.delete(first.value ?? "");
    }
    this.#views.set(model, view);
    return view;
  }

  #take(replica: number, endpoint: Endpoint, before: Endpoint | undefined): void {
    this.inFlightMax[replica] = endpoint.inFlightMax;
    for (const [model, view] of this.#views) {
      write(view, replica, endpoint, model);
    }
    const { kvTokens, engineRunning, engineWaiting = 0, engineSaidAtMs } = endpoint;
    // One that says that it holds nothing does not know yet, or has no such cache.
    if (kvTokens !== undefined && kvTokens > 0 && kvTokens !== before?.kvTokens) {
      this.#listener.onCapacity(replica, kvTokens);
    }
    if (engineSaidAtMs !== undefined && engineSaidAtMs !== before?.engineSaidAtMs) {
      this.#listener.onAdapters(replica, endpoint.adaptersInUse);
      this.#listener.onRequests(replica, (engineRunning ?? 0) + engineWaiting, engineSaidAtMs);
    }
  }
}

function write(view: ModelView, replica: number, endpoint: Endpoint, model: string): void {
  view.lasting[replica] = codeOf(lastingRefusalOf(endpoint, model));
  view.isAdapter ||= endpoint.adapters?.has(model) === true;
  view.contextTokens[replica] = endpoint.contextTokens?.get(model) ?? Number.POSITIVE_INFINITY;
}

/**
 * The longest context in which the model is served, in tokens, whether by replicas that are well or
 * not; of those that are not well and did not say how long theirs is nothing is hoped for. 0 where
 * that leaves nobody.
 */
export function longestContextOf({ lasting, contextTokens }: ModelView): number {
  let longest = 0;
  for (let replica = 0; replica < lasting.length; replica += 1) {
    const tokens = contextTokens[replica]!;
    const isHope = lasting[replica] !== unhealthy || tokens < Number.POSITIVE_INFINITY;
    if (lasting[replica] !== unknownModel && isHope) {
      longest = Math.max(longest, tokens);
    }
  }
  return longest;
}
