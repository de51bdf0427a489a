import type { LiveRequest } from "./live-request.ts";
import type { SchedulingPolicy } from "./types.ts";

/** Requests that wait to be admitted: by arrival, or by (priority, arrival). */
export class WaitingQueue {
  readonly #byPriority: boolean;
  /** In order; entries before `#first` are gone. */
  #requests: LiveRequest[] = [];
  #first = 0;

  constructor(policy: SchedulingPolicy) {
    this.#byPriority = policy === "priority";
  }

  get length(): number {
    return this.#requests.length - this.#first;
  }

  get head(): LiveRequest | undefined {
    return this.#requests[this.#first];
  }

  push(request: LiveRequest): void {
    request.place = "waiting";
    if (this.#byPriority) this.#insert(request);
    else this.#requests.push(request);
  }

  /** Back to the head; under "priority" to where its priority puts it. */
  pushPreempted(request: LiveRequest): void {
    request.place = "waiting";
    if (this.#byPriority) this.#insert(request);
    else if (this.#first === 0) this.#requests.unshift(request);
    else {
      this.#first -= 1;
      this.#requests[this.#first] = request;
    }
  }

  shift(): void {
    this.#first += 1;
    // Now and then the gone entries are cut off, for less than the shifts before cost.
    if (this.#first >= 64 && this.#first * 2 > this.#requests.length) {
      this.#requests = this.#requests.slice(this.#first);
      this.#first = 0;
    }
  }

  remove(request: LiveRequest): void {
    const index = this.#requests.indexOf(request, this.#first);
    if (index >= 0) this.#requests.splice(index, 1);
  }

  #insert(request: LiveRequest): void {
    let low = this.#first;
    let high = this.#requests.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBefore(request, this.#requests[middle]!)) high = middle;
      else low = middle + 1;
    }
    this.#requests.splice(low, 0, request);
  }
}

/** Whether `left` is more urgent: the order of waiting, and its reverse that of preemption. */
export function isBefore(left: LiveRequest, right: LiveRequest): boolean {
  return left.priority === right.priority
    ? left.sequence < right.sequence
    : left.priority < right.priority;
}
