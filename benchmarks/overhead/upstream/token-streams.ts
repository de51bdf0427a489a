import { machineNowUs } from "../clock.ts";
import { closing, closingWithUsage, openingBytes, tokenBytes } from "./answers.ts";
import type { Peer } from "./peer.ts";
import type { MockPlan } from "./plan.ts";

/**
 * The streams of one plan. Each keeps its own pace from when it began, so they do not tick
 * together.
 */
export interface TokenStreams {
  start(peer: Peer, wantsUsage: boolean): void;
  tokensMade(): number;
  /** Ends all that is under way, properly and without a further token. */
  endAll(): void;
}

interface Stream {
  readonly peer: Peer;
  readonly wantsUsage: boolean;
  next: number;
  dueUs: number;
}

/** Makes the streams of a plan; `onEnd` is called for each that came to its end. */
export function createTokenStreams(plan: MockPlan, onEnd: (peer: Peer) => void): TokenStreams {
  // All streams wait equally long between tokens, so whoever is written to goes to the end of the
  // queue and the queue stays sorted by the time that is due.
  let queue: Stream[] = [];
  let first = 0;
  let isTicking = false;
  let made = 0;
  const intervalUs = plan.intervalMs * 1000;

  const finish = ({ peer, wantsUsage }: Stream) => {
    peer.write(wantsUsage ? closingWithUsage : closing);
    onEnd(peer);
  };
  const write = (stream: Stream, nowUs: number) => {
    const { peer, next } = stream;
    peer.write(next === 0 ? openingBytes(nowUs) : tokenBytes(next, nowUs));
    made += 1;
    stream.next += 1;
    if (stream.next < plan.tokens) {
      stream.dueUs += intervalUs;
      queue.push(stream);
      return;
    }
    finish(stream);
  };
  const tick = () => {
    isTicking = false;
    for (;;) {
      const stream = queue[first];
      if (stream === undefined) break;
      const nowUs = machineNowUs();
      if (stream.dueUs > nowUs) break;
      first += 1;
      if (!stream.peer.isClosed()) write(stream, nowUs);
    }
    if (first > 1024) {
      queue = queue.slice(first);
      first = 0;
    }
    schedule();
  };
  const schedule = () => {
    const head = queue[first];
    if (isTicking || head === undefined) return;
    isTicking = true;
    setTimeout(tick, Math.max(0, (head.dueUs - machineNowUs()) / 1000));
  };
  return {
    start(peer, wantsUsage) {
      const nowUs = machineNowUs();
      write({ peer, wantsUsage, next: 0, dueUs: nowUs }, nowUs);
      schedule();
    },
    tokensMade: () => made,
    endAll() {
      const streams = queue.slice(first).filter(({ peer }) => !peer.isClosed());
      queue = [];
      first = 0;
      for (const stream of streams) finish(stream);
    },
  };
}
