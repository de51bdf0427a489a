import { fromBinary } from "@bufbuild/protobuf";
import { LiveUpdateSchema } from "@warmpath/proto/common";
import type { ReadEventsResponse } from "@warmpath/proto/state";
import { type Bus, liveSubject, type Principal } from "@warmpath/runtime";
import { type Clock, type Logger, messageOf, WarmpathError } from "@warmpath/runtime/base";
import type { Sink } from "./inbox.ts";

/** Reads one page of a task's log. */
export type ReadPage = (
  principal: Principal,
  request: { taskId: string; afterSeq: bigint; limit: number },
) => Promise<ReadEventsResponse>;

/** What a feed needs; the numbers are explained in `config.ts`. */
export interface FeedDeps {
  readonly bus: Bus;
  readonly readPage: ReadPage;
  readonly clock: Clock;
  readonly log: Logger;
  readonly pollMs: number;
  readonly pollFailuresMax: number;
}

/**
 * One task as this process hears of it: one subscription on the bus and one slow poll, shared by
 * all the task's watchers here. Lives from the first of them to the last.
 */
export class Feed {
  readonly #deps: FeedDeps;
  readonly #taskId: string;
  readonly #tenant: string;
  readonly #sinks = new Set<Sink>();
  readonly #flights = new Map<string, Promise<ReadEventsResponse>>();
  readonly #closed = new AbortController();
  #principal: Principal;
  #subscription: Promise<{ close(): void } | undefined> | undefined;
  #recordedSeq = 0n;
  #heardMs: number;
  #pollFailures = 0;

  constructor(deps: FeedDeps, principal: Principal, taskId: string) {
    this.#deps = deps;
    this.#taskId = taskId;
    this.#tenant = principal.tenant;
    this.#principal = principal;
    this.#heardMs = deps.clock.monotonicMs();
  }

  get watchers(): number {
    return this.#sinks.size;
  }

  /** From the moment this resolves the sink misses nothing that the bus brings. */
  async add(sink: Sink, principal: Principal): Promise<void> {
    this.#sinks.add(sink);
    // The poll acts for whoever came last: they are the likeliest to be still there.
    this.#principal = principal;
    if (this.#subscription === undefined) {
      this.#subscription = this.#subscribe();
      void this.#poll();
    }
    await this.#subscription;
  }

  /** Returns true when that was the last one, and the feed is closed. */
  remove(sink: Sink): boolean {
    this.#sinks.delete(sink);
    if (this.#sinks.size > 0) {
      return false;
    }
    this.#closed.abort();
    void this.#subscription?.then((subscription) => subscription?.close());
    return true;
  }

  /**
   * One page of the log; watchers of one user that ask for the same page at the same time share a
   * call.
   */
  read(principal: Principal, afterSeq: bigint, limit: number): Promise<ReadEventsResponse> {
    // A call that began before the last announcement may lack what was announced: it is not shared.
    const key = `${afterSeq} ${limit} ${this.#recordedSeq} ${principal.user}`;
    const flying = this.#flights.get(key);
    if (flying !== undefined) {
      return flying;
    }
    const flight = this.#deps
      .readPage(principal, { taskId: this.#taskId, afterSeq, limit })
      .then((page) => {
        this.#heard(page.events.at(-1)?.event?.seq ?? 0n);
        return page;
      })
      .finally(() => this.#flights.delete(key));
    this.#flights.set(key, flight);
    return flight;
  }

  async #subscribe(): Promise<{ close(): void } | undefined> {
    const subject = liveSubject(this.#tenant, this.#taskId);
    try {
      return await this.#deps.bus.subscribe(subject, (payload) => this.#onMessage(payload));
    } catch (thrown) {
      // Without the bus the poll alone feeds the watchers: later, and nothing is missing.
      this.#deps.log.warn("watching by polling: the bus took no subscription", {
        task_id: this.#taskId,
        error: messageOf(thrown),
      });
      return undefined;
    }
  }

  #onMessage(payload: Uint8Array): void {
    let update: ReturnType<typeof fromBinary<typeof LiveUpdateSchema>>["update"];
    try {
      update = fromBinary(LiveUpdateSchema, payload).update;
    } catch (thrown) {
      // The bus is advisory: what cannot be read is as good as lost, and the poll catches up.
      this.#deps.log.warn("unreadable live update", { error: messageOf(thrown) });
      return;
    }
    if (update.case === "delta") {
      this.#heardMs = this.#deps.clock.monotonicMs();
      for (const sink of this.#sinks) {
        sink.onDelta(update.value);
      }
    } else if (update.case === "recordedSeq") {
      this.#heard(update.value);
    }
  }

  #heard(seq: bigint): void {
    if (seq <= this.#recordedSeq) {
      return;
    }
    this.#recordedSeq = seq;
    this.#heardMs = this.#deps.clock.monotonicMs();
    for (const sink of this.#sinks) {
      sink.onRecorded(seq);
    }
  }

  /**
   * Catches lost wake-ups and lost text: reads past the last known event whenever the bus has been
   * silent.
   */
  async #poll(): Promise<void> {
    const { clock, pollMs } = this.#deps;
    while (!this.#closed.signal.aborted) {
      const dueMs = this.#heardMs + pollMs - clock.monotonicMs();
      if (dueMs <= 0) {
        this.#heardMs = clock.monotonicMs();
        await this.#pollOnce();
        continue;
      }
      try {
        await clock.sleep(dueMs, this.#closed.signal);
      } catch {
        // Closed: the last watcher left.
        return;
      }
    }
  }

  async #pollOnce(): Promise<void> {
    if ((await this.#subscription) === undefined && !this.#closed.signal.aborted) {
      this.#subscription = this.#subscribe();
    }
    try {
      const page = await this.read(this.#principal, this.#recordedSeq, 1);
      this.#pollFailures = 0;
      if (page.live !== undefined) {
        for (const sink of this.#sinks) {
          sink.onDelta(page.live);
        }
      }
    } catch (thrown) {
      this.#pollFailures += 1;
      if (this.#pollFailures >= this.#deps.pollFailuresMax) {
        const error = WarmpathError.from(thrown);
        for (const sink of this.#sinks) {
          sink.onFailure(error);
        }
      }
    }
  }
}
