// Goal: the bar of three minutes is red when it is missed, and says nothing where others were at work.

import { expect, test } from "bun:test";
import { judgeRunTime, startStretch } from "./run-time.ts";

test("a run within the bar is green on any machine", () => {
  expect(judgeRunTime({ seconds: 180, ownCpu: 90, othersCpu: 250 }, 2)).toEqual({ faults: [] });
});

test("a run beyond the bar is red where the machine was its own", () => {
  const { faults, unjudged } = judgeRunTime({ seconds: 181, ownCpu: 200, othersCpu: 20 }, 2);
  expect(faults).toEqual([
    "it took 181 s (200 s of CPU, and 20 s of others' meanwhile) on 2 cores, not 180 s at most",
  ]);
  expect(unjudged).toBeUndefined();
});

test("a run beyond the bar is not judged where others had a quarter of the machine", () => {
  const { faults, unjudged } = judgeRunTime({ seconds: 214, ownCpu: 76, othersCpu: 347 }, 2);
  expect(faults).toEqual([]);
  expect(unjudged).toEndWith("others had 81 % of the machine");
});

test.if(process.platform === "linux")(
  "a stretch is told in seconds, of the clock and of CPU",
  () => {
    const { seconds, ownCpu, othersCpu } = startStretch()();
    expect(seconds).toBeGreaterThanOrEqual(0);
    expect(ownCpu).toBeGreaterThanOrEqual(0);
    expect(othersCpu).toBeGreaterThanOrEqual(0);
  },
);
