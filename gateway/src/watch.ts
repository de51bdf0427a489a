import { create } from "@bufbuild/protobuf";
import type { TextDelta } from "@warmpath/proto/common";
import { type WatchTaskResponse, WatchTaskResponseSchema } from "@warmpath/proto/gateway";
import type { ReadEventsResponse } from "@warmpath/proto/state";
import type { Principal } from "@warmpath/runtime";
import { type Clock, WarmpathError } from "@warmpath/runtime/base";
import type { GatewayConfig } from "./config.ts";
import { Assembler } from "./watch/assemble.ts";
import { formatCursor, parseCursor } from "./watch/cursor.ts";
import type { Membership, WatchHub } from "./watch/hub.ts";
import { Inbox } from "./watch/inbox.ts";
import { startPosition } from "./watch/position.ts";

/** The settings of {@link watchTask}. */
export type WatchLimits = Pick<
  GatewayConfig,
  | "watchBufferDeltas"
  | "watchBufferBytesMax"
  | "watchPageEvents"
  | "watchRereadMs"
  | "watchPollMs"
  | "heartbeatMs"
>;

/** What a watch stands on. */
export interface WatchDeps {
  readonly hub: WatchHub;
  readonly clock: Clock;
  readonly limits: WatchLimits;
  /** Aborts when the process winds down, with the error that the streams end with. */
  readonly draining: AbortSignal;
}

/** Which task to watch, for whom, from where, and until when. */
export interface WatchRequest {
  readonly principal: Principal;
  readonly taskId: string;
  /** Empty: from the beginning. */
  readonly cursor: string;
  readonly signal: AbortSignal;
}

/**
 * Follows one task from the cursor to its end: joins the task's feed first, so that nothing
 * published from now on is missed, then reads the log, then tells both through the {@link
 * Assembler}, which keeps the invariant of the watch. Pulled by its consumer: while that is slow,
 * only the bounded inbox fills.
 */
export async function* watchTask(
  deps: WatchDeps,
  request: WatchRequest,
): AsyncGenerator<WatchTaskResponse, void, undefined> {
  const { taskId, cursor, principal } = request;
  const signal = AbortSignal.any([request.signal, deps.draining]);
  const position = cursor === "" ? startPosition : parseCursor(taskId, cursor);
  const { watchBufferDeltas: deltasMax, watchBufferBytesMax: bytesMax } = deps.limits;
  const inbox = new Inbox({ deltasMax, bytesMax }, deps.clock);
  const membership = await deps.hub.join(principal, taskId, inbox);
  try {
    const watcher = new Watcher(deps, new Assembler(taskId, position), inbox, membership);
    let toldMs = deps.clock.monotonicMs();
    while (true) {
      signal.throwIfAborted();
      const responses = await watcher.next();
      for (const response of responses) {
        yield response;
      }
      if (watcher.isEnded) {
        return;
      }
      const nowMs = deps.clock.monotonicMs();
      toldMs = responses.length > 0 ? nowMs : toldMs;
      const quietMs = toldMs + deps.limits.heartbeatMs - nowMs;
      if (quietMs <= 0) {
        yield watcher.heartbeat(taskId);
        toldMs = nowMs;
      } else if (responses.length === 0) {
        await inbox.wait(Math.min(quietMs, watcher.readDueMs), signal);
      }
    }
  } finally {
    membership.close();
  }
}

/** From 100 events to one in four tries. */
const pageShrink = 4;

/**
 * The turn of one watcher: read the log if there is reason to, then take in what the bus brought.
 */
class Watcher {
  readonly #deps: WatchDeps;
  readonly #assembler: Assembler;
  readonly #inbox: Inbox;
  readonly #membership: Membership;
  #wantsRead = true;
  #pageEvents: number;
  #readAtMs = 0;
  #pauseMs = 0;
  /**
   * What was announced when the last read began; a later announcement need not wait for the pause.
   */
  #announcedAtRead = 0n;

  constructor(deps: WatchDeps, assembler: Assembler, inbox: Inbox, membership: Membership) {
    this.#deps = deps;
    this.#pageEvents = deps.limits.watchPageEvents;
    this.#assembler = assembler;
    this.#inbox = inbox;
    this.#membership = membership;
  }

  get isEnded(): boolean {
    return this.#assembler.position.isEnded;
  }

  /** Until the next read may begin; endless when there is no reason for one. */
  get readDueMs(): number {
    if (!this.#hasReason) {
      return this.#deps.limits.heartbeatMs;
    }
    return this.#mayRead ? 0 : this.#readAtMs - this.#deps.clock.monotonicMs();
  }

  heartbeat(taskId: string): WatchTaskResponse {
    const cursor = formatCursor(taskId, this.#assembler.position);
    return create(WatchTaskResponseSchema, { cursor, update: { case: "heartbeat", value: {} } });
  }

  async next(): Promise<WatchTaskResponse[]> {
    if (this.#inbox.failure !== undefined) {
      throw this.#inbox.failure;
    }
    this.#inbox.clearNews();
    this.#wantsRead = this.#inbox.takeDropped() || this.#wantsRead;
    const isReading = this.#hasReason && this.#mayRead;
    if (isReading) {
      await this.#read();
    }
    this.#takeIn(this.#inbox.takeDeltas(), isReading);
    return this.#assembler.take();
  }

  get #mayRead(): boolean {
    const isNews = this.#inbox.recordedSeq > this.#announcedAtRead;
    return isNews || this.#deps.clock.monotonicMs() >= this.#readAtMs;
  }

  get #hasReason(): boolean {
    return this.#wantsRead || this.#inbox.recordedSeq > this.#assembler.position.seq;
  }

  async #read(): Promise<void> {
    const before = this.#assembler.position;
    this.#announcedAtRead = this.#inbox.recordedSeq;
    const page = await this.#readPage(before.seq);
    this.#wantsRead = page.hasMore;
    for (const event of page.events) {
      this.#assembler.onEvent(event);
    }
    if (page.live !== undefined && !page.hasMore) {
      this.#assembler.onDelta(page.live);
    }
    const { watchRereadMs, watchPollMs } = this.#deps.limits;
    const isFruitless = this.#assembler.position === before;
    this.#pauseMs = isFruitless
      ? Math.min(watchPollMs, Math.max(watchRereadMs, this.#pauseMs * 2))
      : 0;
    this.#readAtMs = this.#deps.clock.monotonicMs() + this.#pauseMs;
  }

  /** Long answers and tool results can make a page too large for one message: then fewer events. */
  async #readPage(afterSeq: bigint): Promise<ReadEventsResponse> {
    try {
      return await this.#membership.read(afterSeq, this.#pageEvents);
    } catch (thrown) {
      const error = WarmpathError.from(thrown);
      if (error.reason !== "rejected-too-large" || this.#pageEvents === 1) {
        throw error;
      }
      this.#pageEvents = Math.max(1, Math.floor(this.#pageEvents / pageShrink));
      return await this.#readPage(afterSeq);
    }
  }

  /**
   * Pieces that are ahead wait for one read; what that read did not reach comes from the next one.
   */
  #takeIn(deltas: readonly TextDelta[], hasJustRead: boolean): void {
    for (const [index, delta] of deltas.entries()) {
      if (this.#assembler.onDelta(delta) === "ahead") {
        this.#wantsRead = true;
        if (!hasJustRead) {
          this.#inbox.putBack(deltas.slice(index));
          return;
        }
      }
    }
  }
}
