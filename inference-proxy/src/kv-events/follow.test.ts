/**
 * Goal: whatever is lost, doubled, cut short or restarted, the batches taken in are those of one
 * engine's life in order, from the last "forget" on. Oracle: the publisher's own list.
 */
import { describe, expect, test } from "bun:test";
import { type Random, seededRandom } from "@warmpath/runtime/base";
import { createFollower, type Forgotten } from "./follow.ts";
import type { KvMessage } from "./types.ts";

const limits = { quietMs: 1000, asksMax: 3, heldMax: 1000 };

/** A publisher with a replay buffer, and a follower of it; batches are told apart by their time. */
function world(options: { readonly bufferMax?: number; readonly heldMax?: number } = {}) {
  const { bufferMax = Number.POSITIVE_INFINITY, heldMax = limits.heldMax } = options;
  let nowMs = 0;
  let batches: KvMessage[] = [];
  let made = 0;
  const asked: number[] = [];
  const questions: number[] = [];
  const taken: number[] = [];
  const forgotten: Forgotten[] = [];
  const complete: boolean[] = [];
  const follower = createFollower(
    {
      onBatch: ({ atMs }) => void taken.push(atMs),
      onForgotten(why) {
        forgotten.push(why);
        taken.length = 0;
      },
      onAsk(start) {
        asked.push(start);
        questions.push(start);
      },
      onComplete: (isComplete) => void complete.push(isComplete),
    },
    { ...limits, heldMax },
  );
  return {
    follower,
    taken,
    asked,
    forgotten,
    complete,
    /** Makes a batch; it reaches the follower unless it is lost. */
    publish(isLost = false): KvMessage {
      const sequence = batches.length;
      const batch = { atMs: ++made, events: [], rank: 0, unknownEvents: 0 };
      const message = { topic: "", sequence, batch };
      batches.push(message);
      if (!isLost) follower.live(message, nowMs);
      return message;
    },
    /** Answers every question; `keep` picks the batches that arrive, of the first `pageMax`. */
    answer(keep: (sequence: number) => boolean = () => true, hasEnd = true, pageMax = Infinity) {
      for (let start = questions.shift(); start !== undefined; start = questions.shift()) {
        const from = Math.max(start, batches.length - bufferMax);
        const kept = batches.slice(from, from + pageMax);
        for (const message of kept) {
          if (keep(message.sequence)) follower.replayed(message, nowMs);
        }
        if (hasEnd) follower.replayed(undefined, nowMs);
      }
    },
    silence(ms = limits.quietMs) {
      nowMs += ms;
      follower.tick(nowMs);
    },
    dropQuestions: () => void questions.splice(0),
    connect: () => follower.connected(nowMs),
    restartEngine() {
      batches = [];
    },
    /** What an index that missed nothing would have taken in. */
    all: () => batches.map(({ batch }) => batch.atMs),
  };
}

describe("a follower", () => {
  test("begins with a replay from 0 and goes live without a loss", () => {
    const { follower, publish, connect, answer, taken, all, complete } = world();
    for (let count = 0; count < 5; count++) publish();
    connect();
    publish();
    expect(complete).toEqual([]);
    answer();
    publish();
    expect(taken).toEqual(all());
    expect(complete).toEqual([true]);
    expect([follower.isFromStart, follower.state]).toEqual([true, "live"]);
  });

  test("of an engine that has done nothing yet is complete at once", () => {
    const { follower, connect, answer, publish, taken, all } = world();
    connect();
    answer();
    expect(follower.state).toBe("live");
    publish();
    expect(taken).toEqual(all());
  });

  test("fills a gap and forgets nothing", () => {
    const { follower, publish, connect, answer, taken, all, forgotten } = world();
    connect();
    answer();
    publish();
    publish(true);
    publish(true);
    publish();
    expect(follower.state).toBe("checking");
    publish();
    answer();
    expect(taken).toEqual(all());
    expect([follower.state, ...forgotten]).toEqual(["live"]);
  });

  test("reads on where replays are cut short, with and without an end mark", () => {
    for (const hasEnd of [true, false]) {
      const { follower, publish, connect, answer, taken, all, silence, asked } = world();
      for (let count = 0; count < 100; count++) publish();
      connect();
      for (let page = 0; page < 40 && follower.state !== "live"; page++) {
        answer(() => true, hasEnd || follower.next === 100, 7);
        silence();
      }
      expect(follower.state).toBe("live");
      expect(taken).toEqual(all());
      expect(asked.length).toBeLessThan(25);
    }
  });

  test("asks again for what is missing in the middle of a replay", () => {
    const { follower, publish, connect, answer, taken, all } = world();
    for (let count = 0; count < 50; count++) publish();
    connect();
    let round = 0;
    answer((sequence) => {
      if (sequence === 49) round += 1;
      return round > 0 || sequence < 20 || sequence > 30;
    });
    expect(follower.state).toBe("live");
    expect(taken).toEqual(all());
  });

  test("gives up what no replay has, forgets, and goes on with the rest", () => {
    const { follower, publish, connect, answer, taken, all, forgotten, silence } = world();
    connect();
    answer();
    for (let count = 0; count < 3; count++) publish();
    publish(true);
    for (let count = 0; count < 3; count++) publish();
    for (let round = 0; round < 4; round++) {
      answer((sequence) => sequence !== 3);
      silence();
    }
    expect(follower.state).toBe("live");
    expect(forgotten).toEqual(["hole"]);
    expect(taken).toEqual(all().slice(4));
    expect(follower.isFromStart).toBe(false);
    publish();
    expect(taken).toEqual(all().slice(4));
  });

  test("begins in the middle where the buffer does not reach back", () => {
    const { follower, publish, connect, answer, taken, all } = world({ bufferMax: 10 });
    for (let count = 0; count < 30; count++) publish();
    connect();
    for (let round = 0; round < 3; round++) answer();
    expect([follower.state, follower.isFromStart]).toEqual(["live", false]);
    expect(taken).toEqual(all().slice(20));
  });

  test("without anybody who replays begins with the first live batch", () => {
    const { follower, publish, connect, taken, all, silence } = world();
    publish(true);
    connect();
    for (let round = 0; round < 5; round++) silence();
    publish();
    publish();
    for (let round = 0; round < 5; round++) silence();
    expect(follower.state).toBe("live");
    expect(taken).toEqual(all().slice(1));
  });

  test("knows the same engine again after a break", () => {
    const { follower, publish, connect, answer, taken, all, forgotten } = world();
    connect();
    answer();
    publish();
    publish();
    follower.lost();
    publish(true);
    connect();
    expect(follower.state).toBe("checking");
    answer();
    expect(taken).toEqual(all());
    expect(forgotten).toEqual([]);
  });

  test("forgets an engine that restarted, however far the new one has come", () => {
    for (const newBatches of [0, 1, 3, 8]) {
      const { follower, publish, connect, answer, taken, all, forgotten, restartEngine } = world();
      connect();
      answer();
      for (let count = 0; count < 3; count++) publish();
      follower.lost();
      restartEngine();
      for (let count = 0; count < newBatches; count++) publish(true);
      connect();
      answer();
      expect(taken).toEqual(all());
      expect(forgotten).toEqual(["restart"]);
      expect([follower.state, follower.isFromStart]).toEqual(["live", true]);
    }
  });

  test("sees a restart behind a connection that stayed, by the number that falls", () => {
    const { follower, publish, connect, answer, taken, all, forgotten, restartEngine } = world();
    connect();
    answer();
    for (let count = 0; count < 5; count++) publish();
    restartEngine();
    publish();
    answer();
    publish();
    expect(taken).toEqual(all());
    expect([follower.state, ...forgotten]).toEqual(["live", "restart"]);
  });

  test("is not misled by a batch that comes live after its replay", () => {
    const { follower, publish, connect, answer, taken, all, forgotten } = world();
    connect();
    const late = publish(true);
    answer();
    follower.live(late, 0);
    expect(taken).toEqual(all());
    expect([follower.state, ...forgotten]).toEqual(["live"]);
  });

  test("takes in every batch once and in order under random loss, breaks and restarts", () => {
    for (let seed = 0; seed < 300; seed++) runAtRandom(seededRandom(seed));
  });
});

function runAtRandom(random: Random): void {
  const heldMax = random.next() < 0.3 ? 4 : 1000;
  const { follower, publish, connect, answer, taken, all, silence, ...rest } = world({ heldMax });
  const chance = (share: number) => random.next() < share;
  for (let step = 0; step < 120; step++) {
    if (chance(0.05)) {
      follower.lost();
      if (chance(0.5)) rest.restartEngine();
    }
    if (follower.state === "away" && chance(0.5)) connect();
    if (chance(0.7)) publish(follower.state === "away" || chance(0.2));
    if (chance(0.3)) answer(() => !chance(0.1), chance(0.7));
    if (chance(0.05)) rest.dropQuestions();
    if (chance(0.2)) silence();
    // Whatever was taken in since the last "forget" are neighbours of one life.
    for (let index = 1; index < taken.length; index++) {
      expect(taken[index]).toBe(taken[index - 1]! + 1);
    }
  }
  if (follower.state === "away") connect();
  for (let round = 0; round < 10; round++) {
    publish();
    answer();
    silence();
  }
  expect(follower.state).toBe("live");
  expect(taken).toEqual(all().slice(all().length - taken.length));
  expect(follower.isFromStart).toBe(taken.length === all().length);
}
