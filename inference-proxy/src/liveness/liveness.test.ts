import { describe, expect, test } from "bun:test";
import type { Clock } from "@warmpath/runtime/base";
import { createLiveness, type ReplicaSight, type SilenceLimits, type Vigil } from "./index.ts";

/*
 * Goal: silence is believed as long as the replica's pace, its queue or the stated bounds explain
 * it, and not much longer. Method: requests whose events the test makes, on the test's clock.
 */

const limits: SilenceLimits = {
  firstEventTimeoutMs: 60_000,
  idleTimeoutMs: 30_000,
  wholeTimeoutMs: 600_000,
  silenceGraceMs: 8000,
};

function setUp(over: Partial<SilenceLimits> = {}) {
  let nowMs = 5000;
  const clock: Clock = { nowMs: () => nowMs, monotonicMs: () => nowMs, sleep: async () => {} };
  const sight: { -readonly [Key in keyof ReplicaSight]: ReplicaSight[Key] } = {
    isHealthy: true,
    isSteady: true,
    idleAtMs: undefined,
    engineWaiting: 0,
  };
  const silent: string[] = [];
  const liveness = createLiveness({
    limits: { ...limits, ...over },
    clock,
    sightOf: () => sight,
    onSilent: (replica) => silent.push(replica),
  });
  const begin = (promptTokens = 1000, isStream = true) => {
    const vigil = liveness.begin({ replica: "a", isStream, promptTokens });
    vigil.check();
    return vigil;
  };
  const advance = (ms: number) => {
    nowMs += ms;
  };
  /** Lets time pass as the watchdog would, and says how long the request was believed. */
  const believedMs = (vigil: Vigil, during: () => void = () => {}) => {
    const fromMs = nowMs;
    for (let moreMs = vigil.check(); moreMs > 0; moreMs = vigil.check()) {
      advance(moreMs);
      during();
    }
    return nowMs - fromMs;
  };
  /** Streams with this first event and these gaps, so that the pace is known. */
  const teach = (firstMs: number, gapMs: number, promptTokens = 1000) => {
    for (let count = 0; count < 40; count += 1) {
      const vigil = begin(promptTokens);
      advance(firstMs);
      vigil.opened();
      for (let token = 0; token < 5; token += 1) {
        advance(gapMs);
        vigil.event();
      }
      vigil.end();
    }
  };
  return { begin, advance, believedMs, teach, sight, silent, clock, liveness };
}

/** What a bucket of a quantile may add. */
const bucketShare = 1.25;

describe("between two events", () => {
  test("silence is believed for the grace beyond the longest gaps that were seen", () => {
    const { begin, believedMs, teach, silent } = setUp();
    teach(100, 1000);
    const vigil = begin();
    vigil.opened();
    const ms = believedMs(vigil);
    expect(ms).toBeGreaterThanOrEqual(9000);
    expect(ms).toBeLessThanOrEqual(8000 + 1000 * bucketShare);
    expect(silent).toEqual(["a"]);
  });

  test("an engine that nothing is known of gets the grace; a provider all of the bound", () => {
    const { begin, believedMs, sight } = setUp();
    const ofEngine = begin();
    ofEngine.opened();
    expect(believedMs(ofEngine)).toBe(8000);
    sight.isSteady = false;
    const ofProvider = begin();
    ofProvider.opened();
    expect(believedMs(ofProvider)).toBe(30_000);
  });

  test("an illness that shows late adds nothing to the patience", () => {
    const { begin, believedMs, sight, clock } = setUp();
    const vigil = begin();
    vigil.opened();
    const fromMs = clock.monotonicMs();
    const ms = believedMs(vigil, () => {
      // Probes take about as long to find a stopped engine as its streams do.
      sight.isHealthy = clock.monotonicMs() - fromMs < 7000;
    });
    expect(ms).toBe(8000);
  });

  test("the bound holds whatever the pace explains", () => {
    const { begin, believedMs, teach } = setUp({ idleTimeoutMs: 150 });
    teach(100, 1000);
    const vigil = begin();
    vigil.opened();
    expect(believedMs(vigil)).toBe(150);
  });

  test("a client that does not read is not the engine's silence", () => {
    const { begin, advance, silent } = setUp();
    const vigil = begin();
    vigil.opened();
    vigil.pause();
    advance(3_600_000);
    expect(vigil.check()).toBeGreaterThan(0);
    vigil.resume();
    advance(7000);
    expect(vigil.check()).toBeGreaterThan(0);
    expect(silent).toEqual([]);
  });

  test("one lost stream among others that move does not condemn the replica", () => {
    const { begin, believedMs, silent } = setUp();
    const lost = begin();
    lost.opened();
    const moving = begin();
    moving.opened();
    expect(believedMs(lost, () => moving.event())).toBe(8000);
    expect(silent).toEqual([]);
  });
});

describe("before the first event", () => {
  test("the wait that is believed grows with the prompts that are ahead", () => {
    const { begin, believedMs, teach } = setUp();
    // 100 ms for 1,000 tokens and the base: about a twentieth of a millisecond a token.
    teach(100, 10);
    const short = believedMs(begin(1000));
    expect(short).toBeGreaterThanOrEqual(8100);
    expect(short).toBeLessThanOrEqual(8100 * bucketShare);
    const { begin: beginOther, believedMs: otherMs, teach: teachOther } = setUp();
    teachOther(100, 10);
    const long = otherMs(beginOther(200_000));
    expect(long).toBeGreaterThan(17_000);
    expect(long).toBeLessThan(22_000);
  });

  test("while others of the replica move, the queue explains it, up to the bound", () => {
    const { begin, believedMs, teach, silent } = setUp();
    teach(100, 10);
    const moving = begin();
    moving.opened();
    expect(believedMs(begin(), () => moving.event())).toBe(60_000);
    expect(silent).toEqual([]);
  });

  test("whole answers and other proxies' requests explain it too, unless the engine is idle", () => {
    const { begin, believedMs, teach, sight, clock, silent } = setUp();
    teach(100, 10);
    const whole = begin(1000, false);
    expect(believedMs(begin())).toBe(60_000);
    whole.end();
    sight.engineWaiting = 5;
    expect(believedMs(begin())).toBe(60_000);
    sight.engineWaiting = 0;
    begin(1000, false);
    const ms = believedMs(begin(), () => {
      sight.idleAtMs = clock.monotonicMs();
    });
    expect(ms).toBeLessThan(9000);
    expect(silent.length).toBeGreaterThan(0);
  });

  test("one that many later ones overtake is lost, and the replica is not", () => {
    const { begin, believedMs, teach, silent } = setUp();
    teach(100, 10);
    const lost = begin();
    const ms = believedMs(lost, () => {
      for (let count = 0; count < 4; count += 1) {
        const later = begin();
        later.opened();
        later.end();
      }
    });
    expect(ms).toBeGreaterThanOrEqual(8000);
    expect(ms).toBeLessThan(11_000);
    expect(silent).toEqual([]);
  });

  test("an engine that says that it has nothing to do is not working on it", () => {
    const { begin, believedMs, sight, silent, clock } = setUp();
    const vigil = begin();
    const ms = believedMs(vigil, () => {
      sight.idleAtMs = clock.monotonicMs();
    });
    expect(ms).toBe(8000);
    expect(silent).toEqual(["a"]);
    sight.idleAtMs = undefined;
  });

  test("a replica whose probes fail is given a quarter of the grace from then on", () => {
    const { begin, advance, believedMs, sight } = setUp();
    const vigil = begin(1000, false);
    advance(30_000);
    expect(vigil.check()).toBeGreaterThan(0);
    sight.isHealthy = false;
    expect(believedMs(vigil)).toBe(2000);
  });

  test("when one was given up in silence, the others there wait little longer, until an event", () => {
    const { begin, believedMs, teach } = setUp();
    teach(100, 10);
    const first = begin();
    const second = begin();
    const moving = begin();
    expect(believedMs(first)).toBeGreaterThan(8000);
    expect(believedMs(second)).toBeLessThanOrEqual(2000);
    moving.opened();
    expect(believedMs(begin())).toBeGreaterThan(8000);
  });

  test("who tries a replica again after its silence waits as long as ever", () => {
    const { begin, believedMs, teach, liveness } = setUp();
    teach(100, 10);
    believedMs(begin());
    expect(believedMs(begin())).toBe(2000);
    liveness.pardon("a");
    expect(believedMs(begin())).toBeGreaterThan(8000);
  });

  test("one that was never sent holds up nobody", () => {
    const { begin, believedMs, teach, liveness } = setUp();
    teach(100, 10);
    const alone = believedMs(begin());
    liveness.begin({ replica: "a", isStream: true, promptTokens: 1_000_000 });
    expect(believedMs(begin())).toBeLessThanOrEqual(alone);
  });

  test("with nothing known and nothing wrong, the bound is all there is", () => {
    const { begin, believedMs } = setUp();
    expect(believedMs(begin())).toBe(60_000);
    const { begin: beginWhole, believedMs: wholeMs } = setUp();
    expect(wholeMs(beginWhole(1000, false))).toBe(600_000);
  });
});

test("one that is over is looked at no more", () => {
  const { begin, advance, silent } = setUp();
  const vigil = begin();
  vigil.end();
  vigil.end();
  advance(3_600_000);
  expect(vigil.check()).toBeGreaterThan(0);
  expect(silent).toEqual([]);
});
