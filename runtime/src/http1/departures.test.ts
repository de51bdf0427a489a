import { expect, test } from "bun:test";
import { type Departing, Departures } from "./departures.ts";

function setUp() {
  const due: (() => void)[] = [];
  const left: string[] = [];
  const departures = new Departures((leave) => due.push(leave));
  const named = (name: string): Departing => ({
    depart: (arena, start, length) => {
      left.push(`${name}:${arena.toString("latin1", start, start + length)}`);
    },
  });
  const add = (who: Departing, text: string) => {
    const arena = departures.room(text.length);
    arena.write(text, departures.at, "latin1");
    departures.add(who, text.length);
  };
  return { departures, named, add, due, left };
}

test("what is written in one turn leaves together, in order, with one call back", () => {
  const { named, add, due, left } = setUp();
  const [one, other] = [named("one"), named("other")];
  add(one, "a");
  add(other, "bc");
  add(one, "def");
  expect(left).toEqual([]);
  expect(due).toHaveLength(1);
  due[0]?.();
  expect(left).toEqual(["one:a", "other:bc", "one:def"]);
});

test("the next turn begins with an empty arena", () => {
  const { departures, named, add, due, left } = setUp();
  const one = named("one");
  add(one, "abc");
  departures.flush();
  expect(departures.at).toBe(0);
  add(one, "d");
  for (const leave of due) {
    leave();
  }
  expect(left).toEqual(["one:abc", "one:d"]);
});

test("when there is no room, what is there leaves first", () => {
  const { departures, named, add, left } = setUp();
  const one = named("one");
  const text = "x".repeat(600_000);
  add(one, text);
  add(one, text);
  expect(left).toHaveLength(1);
  departures.flush();
  expect(left).toHaveLength(2);
});

test("what is written during a departure leaves after it", () => {
  const { departures, named, add, due, left } = setUp();
  const late = named("late");
  const early: Departing = {
    depart: () => {
      left.push("early");
      add(late, "z");
    },
  };
  add(early, "abc");
  departures.flush();
  expect(left).toEqual(["early"]);
  due.at(-1)?.();
  expect(left).toEqual(["early", "late:z"]);
  expect(departures.at).toBe(0);
});

test("what nobody waits for is done behind what leaves, though it was asked for before", () => {
  const { departures, named, add, due, left } = setUp();
  const one = named("one");
  departures.afterwards(() => left.push("done"));
  add(one, "a");
  departures.flush();
  expect(left).toEqual(["one:a"]);
  add(one, "b");
  expect(due).toHaveLength(1);
  due[0]?.();
  expect(left).toEqual(["one:a", "one:b", "done"]);
});

test("what is written while that is done leaves with the next turn", () => {
  const { departures, named, add, due, left } = setUp();
  departures.afterwards(() => add(named("one"), "late"));
  due[0]?.();
  expect([left, due.length]).toEqual([[], 2]);
  due[1]?.();
  expect(left).toEqual(["one:late"]);
});
