import { describe, expect, test } from "bun:test";
import { seededRandom } from "@warmpath/runtime/base";
import type { AnswerSink, AnswerStream } from "../call/answer-stream.ts";
import { type Ending, SharedAnswer } from "./shared-answer.ts";
import type { SharedReader } from "./shared-reader.ts";

const facts = {
  finishReason: undefined,
  choiceEvents: 0,
  isFailed: false,
  isFalseEnd: false,
  usage: undefined,
};
const { signal } = new AbortController();

/** Blocks of these sizes, each filled with its number; then the end, or this error. */
function streamOf(
  sizes: readonly number[],
  error?: Error,
): AnswerStream & { readonly asked: number } {
  let asked = 0;
  return {
    facts,
    sequenceNumber: 0,
    cancel: () => undefined,
    next: async () => {
      const size = sizes[asked];
      asked += 1;
      if (size === undefined && error !== undefined) {
        throw error;
      }
      return size === undefined ? undefined : new Uint8Array(size).fill(asked);
    },
    get asked() {
      return asked;
    },
  };
}

async function readAll(reader: SharedReader | undefined): Promise<readonly number[]> {
  const read: number[] = [];
  for (let block = await reader?.next(); block !== undefined; block = await reader?.next()) {
    read.push(...block);
  }
  return read;
}

/** A stream that the test pushes. */
function pushedStream() {
  let sink: AnswerSink | undefined;
  let isPaused = false;
  const events: AnswerStream = {
    facts,
    sequenceNumber: 0,
    cancel: () => undefined,
    next: () => Promise.reject(new Error("it is pushed")),
    flow: (told) => {
      sink = told;
    },
    pause: () => {
      isPaused = true;
    },
    resume: () => {
      isPaused = false;
    },
  };
  return {
    events,
    isPaused: () => isPaused,
    push: (number: number) => {
      sink?.onEvents(Uint8Array.of(number));
      sink?.onRead();
    },
    end: () => sink?.onEnd(),
  };
}

/** A reader that notes what it is told. */
function sinkOf() {
  const told: (number | string)[] = [];
  const sink: AnswerSink = {
    onEvents: (block) => told.push(...block),
    onRead: () => told.push("read"),
    onEnd: (error) => told.push(error instanceof Error ? error.message : "end"),
  };
  return { told, sink };
}

describe("SharedAnswer", () => {
  test("gives every reader the same blocks, at any pace, and asks for each once", async () => {
    const random = seededRandom("shared");
    const sizes = Array.from({ length: 50 }, () => 1 + Math.floor(random.next() * 9));
    const events = streamOf(sizes);
    const endings: Ending[] = [];
    const shared = new SharedAnswer({
      events,
      bytesMax: 10_000,
      aloneBytesMax: 10_000,
      onEnd: (ending) => endings.push(ending),
    });
    const readers = Array.from({ length: 5 }, () => shared.read(signal));
    await readers[0]?.next();
    await readers[0]?.next();
    const [ahead, ...others] = await Promise.all(readers.map(readAll));
    const late = await readAll(shared.read(signal));
    const whole = [...shared.bytes()];
    expect(others).toEqual([whole, whole, whole, whole]);
    expect(ahead).toEqual(whole.slice((sizes[0] ?? 0) + (sizes[1] ?? 0)));
    expect(late).toEqual(whole);
    expect([endings, events.asked]).toEqual([[{}], sizes.length + 1]);
  });

  test("holds no more than its bytes: who falls behind is cut off, the others go on", async () => {
    const shared = new SharedAnswer({
      events: streamOf([4, 4, 4, 4]),
      bytesMax: 8,
      aloneBytesMax: 8,
      onEnd: () => undefined,
    });
    const [quick, slow] = [shared.read(signal), shared.read(signal)];
    await slow?.next();
    expect(await readAll(quick)).toHaveLength(16);
    expect(slow?.next()).rejects.toThrow("fell more than 8 bytes behind");
    expect(shared.isWhole).toBe(false);
    expect(shared.read(signal)).toBeUndefined();
  });

  test("a reader alone is never behind, however long the answer", async () => {
    const shared = new SharedAnswer({
      events: streamOf(Array.from({ length: 100 }, () => 10)),
      bytesMax: 16,
      aloneBytesMax: 16,
      onEnd: () => undefined,
    });
    expect(await readAll(shared.read(signal))).toHaveLength(1000);
  });

  test("holds less for those who may come than for those who are there", async () => {
    const limits = { bytesMax: 100, aloneBytesMax: 20, onEnd: () => undefined };
    const alone = new SharedAnswer({ events: streamOf([10, 10, 10]), ...limits });
    await readAll(alone.read(signal));
    expect(alone.read(signal)).toBeUndefined();
    const together = new SharedAnswer({ events: streamOf([10, 10, 10]), ...limits });
    const [one, other] = [together.read(signal), together.read(signal)];
    expect(await readAll(one)).toHaveLength(30);
    expect(await readAll(other)).toHaveLength(30);
  });

  test("an error is every reader's, after what came before it", async () => {
    const events = streamOf([1, 1], new Error("broke"));
    const shared = new SharedAnswer({
      events,
      bytesMax: 100,
      aloneBytesMax: 100,
      onEnd: () => undefined,
    });
    for (const reader of [shared.read(signal), shared.read(signal)]) {
      await reader?.next();
      await reader?.next();
      expect(reader?.next()).rejects.toThrow("broke");
    }
  });

  test("tells every reader as it comes, waits only when none can take more, and ends once", async () => {
    const source = pushedStream();
    const endings: Ending[] = [];
    const shared = new SharedAnswer({
      events: source.events,
      bytesMax: 100,
      aloneBytesMax: 100,
      onEnd: (ending) => endings.push(ending),
    });
    const [one, other] = [sinkOf(), sinkOf()];
    const [reader, otherReader] = [shared.read(signal), shared.read(signal)];
    reader?.flow(one.sink);
    source.push(1);
    expect(one.told).toEqual([1, "read"]);
    otherReader?.flow(other.sink);
    expect(other.told).toEqual([1, "read"]);
    otherReader?.pause();
    source.push(2);
    expect([source.isPaused(), one.told.at(-2), other.told.at(-2)]).toEqual([false, 2, 1]);
    reader?.pause();
    expect(source.isPaused()).toBe(true);
    otherReader?.resume();
    expect([source.isPaused(), other.told.at(-2)]).toEqual([false, 2]);
    source.end();
    expect([other.told.at(-1), one.told.at(-1), endings.length]).toEqual(["end", "read", 1]);
    reader?.resume();
    expect(one.told).toEqual([1, "read", 2, "read", "end"]);
  });

  test("a reader that is paused for too long is told so when it goes on", () => {
    const source = pushedStream();
    const shared = new SharedAnswer({
      events: source.events,
      bytesMax: 2,
      aloneBytesMax: 2,
      onEnd: () => undefined,
    });
    const [one, other] = [sinkOf(), sinkOf()];
    const slow = shared.read(signal);
    shared.read(signal)?.flow(one.sink);
    slow?.flow(other.sink);
    slow?.pause();
    for (const number of [1, 2, 3]) {
      source.push(number);
    }
    slow?.resume();
    expect(other.told).toEqual([
      "this caller fell more than 2 bytes behind an answer that it shares with others",
    ]);
    source.push(4);
    expect(one.told.filter(Number)).toEqual([1, 2, 3, 4]);
  });

  test("one who stops wakes up, and leaves the others alone", async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const events: AnswerStream = {
      facts,
      sequenceNumber: 0,
      next: () => promise,
      cancel: () => undefined,
    };
    const shared = new SharedAnswer({
      events,
      bytesMax: 100,
      aloneBytesMax: 100,
      onEnd: () => undefined,
    });
    const [stops, stays] = [shared.read(signal), shared.read(signal)];
    const stopped = stops?.next().catch((error: Error) => error.message);
    const stayed = stays?.next();
    stops?.stop();
    expect(await stopped).toBe("the caller stopped");
    resolve(undefined);
    expect(await stayed).toBeUndefined();
  });
});
