import { describe, expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { TextDeltaSchema } from "@warmpath/proto/common";
import type { WatchTaskResponse } from "@warmpath/proto/gateway";
import { type Random, seededRandom } from "@warmpath/runtime/base";
import { createWatcherCheck } from "../testing/watcher-check.ts";
import { createWorld, type World } from "../testing/world.ts";
import { answered, ended, submitted } from "../testing/world-events.ts";
import { Assembler } from "./assemble.ts";
import { parseCursor } from "./cursor.ts";
import { startPosition } from "./position.ts";

const taskId = `task_${"0".repeat(32)}`;

function delta(step: number, attempt: number, offset: number, text: string) {
  const place = { attempt: BigInt(attempt), offsetBytes: BigInt(offset) };
  return create(TextDeltaSchema, { step, text, ...place });
}

/** One word per response, for tables: `+text`, `-step`, or the event's kind. */
function spell(responses: WatchTaskResponse[]): string[] {
  return responses.map(({ update }) => {
    switch (update.case) {
      case "delta":
        return `+${update.value.text}`;
      case "retraction":
        return `-${update.value.step}`;
      case "event":
        return update.value.kind.case ?? "?";
      default:
        return update.case ?? "?";
    }
  });
}

function told(tell: (assembler: Assembler) => void): string[] {
  const assembler = new Assembler(taskId, startPosition);
  tell(assembler);
  return spell(assembler.take());
}

describe("Assembler", () => {
  test("tells the text of a step as a delta before its event when replaying history", () => {
    const words = told((a) => {
      a.onEvent(submitted(1));
      a.onEvent(answered(2, 1, 1, "whole"));
      a.onEvent(ended(3, "completed"));
    });
    expect(words).toEqual(["submitted", "+whole", "modelAnswered", "completed"]);
  });

  test("tells only the suffix that the bus did not bring", () => {
    const words = told((a) => {
      a.onDelta(delta(1, 1, 0, "wh"));
      a.onEvent(submitted(1));
      a.onEvent(answered(2, 1, 1, "whole"));
    });
    expect(words).toEqual(["+wh", "submitted", "+ole", "modelAnswered"]);
  });

  test("cuts what overlaps, drops what was shown, and waits for what is missing", () => {
    const words = told((a) => {
      a.onDelta(delta(1, 1, 0, "abc"));
      expect(a.onDelta(delta(1, 1, 0, "ab"))).toBe("taken");
      expect(a.onDelta(delta(1, 1, 6, "ghi"))).toBe("ahead");
      a.onDelta(delta(1, 1, 1, "bcdef"));
      a.onDelta(delta(1, 1, 6, "ghi"));
    });
    expect(words).toEqual(["+abc", "+def", "+ghi"]);
  });

  test("retracts what a lower attempt showed, once, and ignores its stragglers", () => {
    const words = told((a) => {
      a.onDelta(delta(1, 1, 0, "old"));
      expect(a.onDelta(delta(1, 3, 4, "tail"))).toBe("ahead");
      a.onDelta(delta(1, 1, 3, "er"));
      a.onDelta(delta(1, 3, 0, "new tail"));
    });
    expect(words).toEqual(["+old", "-1", "+new tail"]);
  });

  test("retracts when the recorded answer is of another attempt than the text shown", () => {
    const words = told((a) => {
      a.onDelta(delta(1, 1, 0, "guess"));
      a.onEvent(submitted(1));
      a.onEvent(answered(2, 1, 2, "truth"));
    });
    expect(words).toEqual(["+guess", "submitted", "-1", "+truth", "modelAnswered"]);
  });

  test("retracts when the recorded answer is shorter than, or cuts a character of, the text shown", () => {
    const shorter = told((a) => {
      a.onDelta(delta(1, 1, 0, "gues"));
      a.onEvent(submitted(1));
      a.onEvent(answered(2, 1, 1, "gu"));
    });
    expect(shorter).toEqual(["+gues", "submitted", "-1", "+gu", "modelAnswered"]);
    const cut = told((a) => {
      a.onDelta(delta(1, 1, 0, "abc"));
      a.onEvent(submitted(1));
      a.onEvent(answered(2, 1, 1, "ab\u00e9"));
    });
    expect(cut).toEqual(["+abc", "submitted", "-1", "+ab\u00e9", "modelAnswered"]);
  });

  test("shows no text of a step before the one in progress is answered, nor after", () => {
    const words = told((a) => {
      expect(a.onDelta(delta(2, 1, 0, "early"))).toBe("ahead");
      a.onEvent(submitted(1));
      a.onEvent(answered(2, 1, 1, "one"));
      a.onDelta(delta(1, 9, 0, "late"));
      a.onDelta(delta(2, 1, 0, "two"));
    });
    expect(words).toEqual(["submitted", "+one", "modelAnswered", "+two"]);
  });

  test("retracts the text of a step that a cancel left unanswered, and then says no more", () => {
    const words = told((a) => {
      a.onDelta(delta(1, 1, 0, "half"));
      a.onEvent(submitted(1));
      a.onEvent(ended(2, "cancelled"));
      a.onDelta(delta(1, 2, 0, "ghost"));
    });
    expect(words).toEqual(["+half", "submitted", "-1", "cancelled"]);
  });

  test("calls a gap in the log a loss of data", () => {
    expect(() => told((a) => a.onEvent(answered(2, 1, 1, "x")))).toThrow("the log has a gap");
  });
});

/**
 * Goal: the invariant of {@link Assembler} under anything the bus and the network may do. Method: a
 * seeded world writes a log and publishes text; the watcher draws what happens next (the world
 * moves on, a bus message arrives, early, late, twice or never, a page of the log is read, the
 * connection breaks with answers in flight), and a consumer that knows only the responses checks
 * every one of them.
 */
describe("Assembler under seeded interleavings", () => {
  test("neither gap nor duplicate, and deltas less retractions are the recorded text", () => {
    let retractions = 0;
    let reconnects = 0;
    for (let seed = 0; seed < 3000; seed += 1) {
      const result = runOnce(seed);
      retractions += result.retractions;
      reconnects += result.reconnects;
    }
    // The faults must really have happened, or the test proves nothing.
    expect(retractions).toBeGreaterThan(500);
    expect(reconnects).toBeGreaterThan(3000);
  }, 30_000);
});

function runOnce(seed: number) {
  const random = seededRandom(seed);
  const world = createWorld(random);
  const check = createWatcherCheck(`seed ${seed}`);
  let assembler = new Assembler(taskId, startPosition);
  let reconnects = 0;
  const receive = () => {
    const out = assembler.take();
    const isBroken = random.next() < 0.1;
    check.receive(isBroken ? out.slice(0, Math.floor(random.next() * (out.length + 1))) : out);
    if (isBroken) {
      const cursor = check.cursor;
      const position = cursor === "" ? startPosition : parseCursor(taskId, cursor);
      assembler = new Assembler(taskId, position);
      reconnects += 1;
    }
  };
  for (let turn = 0; turn < 400 && !check.isEnded; turn += 1) {
    act(random, world, assembler);
    receive();
  }
  world.finish();
  for (let turn = 0; !check.isEnded; turn += 1) {
    expect(turn, `seed ${seed} ends`).toBeLessThan(400);
    readPage(random, world, assembler);
    receive();
  }
  check.finish(world);
  return { retractions: check.retractions, reconnects };
}

function act(random: Random, world: World, assembler: Assembler): void {
  const draw = random.next();
  if (draw < 0.35) {
    world.advance();
  } else if (draw < 0.85) {
    const message = world.someMessage();
    if (message !== undefined) {
      assembler.onDelta(message);
    }
  } else {
    readPage(random, world, assembler);
  }
}

function readPage(random: Random, world: World, assembler: Assembler): void {
  const page = world.read(assembler.position.seq, 1 + Math.floor(random.next() * 4));
  for (const event of page.events) {
    assembler.onEvent(event);
  }
  if (page.live !== undefined) {
    assembler.onDelta(page.live);
  }
}
