import { describe, expect, test } from "bun:test";
import { type Clock, systemClock } from "@warmpath/runtime/base";
import { tiny } from "../../engine/index.ts";
import { ReplicaMetrics } from "../metrics/replica-metrics.ts";
import { EngineDriver } from "./engine-driver.ts";
import type { Sequence } from "./sequence.ts";

/** A clock whose timers all come late, by up to `lateMs`; it moves only when somebody sleeps. */
function lateClock(lateMs: number): Clock {
  let nowMs = 0;
  return {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    async sleep(ms, signal) {
      await Promise.resolve();
      signal?.throwIfAborted();
      nowMs += ms + lateMs;
    },
  };
}

describe("an engine in wall time", () => {
  test("does not drift when every timer is late", async () => {
    const takenMs = async (lateMs: number) => {
      const clock = lateClock(lateMs);
      const driver = driverOf({ clock, speed: 1 });
      await finished(driver, sequence({ output: 200 }));
      driver.close();
      return clock.monotonicMs();
    };
    const [punctualMs, lateMs] = [await takenMs(0), await takenMs(5)];
    // 200 tokens at 3.5 ms; steps pile up behind each timer, and are caught up with.
    expect(punctualMs).toBeGreaterThan(690);
    expect(lateMs - punctualMs).toBeLessThan(10);
  });

  test("passes faster by the factor, for all that takes time", async () => {
    const clock = lateClock(0);
    const driver = driverOf({ clock, speed: 10, profile: { ...tiny, apiBeforeUs: 100_000 } });
    await finished(driver, sequence({ output: 100 }));
    const idealMs = (100 + 100 * 3.505) / 10;
    expect(clock.monotonicMs()).toBeGreaterThan(idealMs * 0.98);
    // Timers have whole milliseconds: one more at the end.
    expect(clock.monotonicMs()).toBeLessThan(idealMs * 1.02 + 2);
    driver.close();
  });

  test("keeps what the API server takes after a token out of the engine's own time", async () => {
    const clock = lateClock(0);
    const driver = driverOf({ clock, speed: 1, profile: { ...tiny, apiAfterUs: 50_000 } });
    await finished(driver, sequence({ output: 10 }));
    expect(clock.monotonicMs()).toBeGreaterThan(50 + 30);
    expect(clock.monotonicMs()).toBeLessThan(50 + 50);
    driver.close();
  });

  test("tells callers' times with the API server's share, and the engine's own without", async () => {
    const clock = lateClock(0);
    const metrics = metricsOf(clock, 1);
    const profile = { ...tiny, apiBeforeUs: 100_000, apiAfterUs: 50_000 };
    const driver = driverOf({ clock, speed: 1, profile, metrics });
    await finished(driver, sequence({ output: 10 }));
    driver.close();
    const text = metrics.text({ running: 0, waiting: 0, kvUsage: 0 });
    const msOf = (name: string) =>
      1000 * Number(new RegExp(`^vllm:${name}_seconds_sum\\S* (\\S+)$`, "m").exec(text)?.[1]);
    const queueMs = msOf("request_queue_time");
    const prefillMs = msOf("request_prefill_time");
    const decodeMs = msOf("request_decode_time");
    // A first step and nine more of 3.5 ms, give or take their jitter; alone, nobody waits.
    expect(queueMs).toBeLessThan(1);
    expect(prefillMs).toBeWithin(3, 5);
    expect(decodeMs).toBeWithin(9 * 3, 9 * 5);
    expect(msOf("request_inference_time")).toBeCloseTo(prefillMs + decodeMs, 6);
    expect(msOf("time_to_first_token")).toBeCloseTo(100 + queueMs + prefillMs + 50, 6);
    expect(msOf("e2e_request_latency")).toBeCloseTo(100 + queueMs + prefillMs + decodeMs + 50, 6);
  });

  test("holds what comes while it is paused, and shows it in no gauge", async () => {
    const driver = driverOf({ clock: systemClock, speed: 0 });
    driver.setPaused(true);
    const done = finished(driver, sequence({ output: 3 }));
    expect(await Promise.race([done, Bun.sleep(10)])).toBeUndefined();
    expect(driver.gauges()).toMatchObject({ running: 0, waiting: 0 });
    expect(driver.load).toBe(1);
    driver.setPaused(false);
    expect(await done).toBe(3);
    driver.close();
  });

  test("knows the tokens of live sequences and forgets those of others", async () => {
    const driver = driverOf({ clock: systemClock, speed: 0 });
    const heard = Promise.withResolvers<void>();
    const id = driver.start(sequence({ prompt: 20, output: 20 }), {
      onTokens: () => undefined,
      onFinished: () => heard.resolve(),
      onFailed: () => undefined,
    });
    expect(driver.tokensOf(id, 1, 1)).toEqual([16, 17, 18, 19, 1000, ...range(1001, 11)]);
    await heard.promise;
    expect(driver.tokensOf(id, 0, 1)).toEqual([]);
    const aborted = driver.start(sequence({ output: 50 }), {
      onTokens: () => undefined,
      onFinished: () => undefined,
      onFailed: () => undefined,
    });
    driver.abort(aborted);
    const later = finished(driver, sequence({ output: 1 }));
    await later;
    expect(driver.load).toBe(0);
    expect(driver.gauges()).toMatchObject({ running: 0, waiting: 0, kvUsage: 0 });
    driver.close();
  });
});

function driverOf({
  clock,
  speed,
  profile = tiny,
  metrics = metricsOf(clock, speed),
}: {
  clock: Clock;
  speed: number;
  profile?: typeof tiny;
  metrics?: ReplicaMetrics;
}): EngineDriver {
  return new EngineDriver({
    profile,
    blocks: 1000,
    blockTokens: 16,
    stepTokensMax: 8192,
    sequencesMax: 32,
    policy: "fcfs",
    slowdown: 1,
    seed: 1,
    speed,
    clock,
    metrics,
  });
}

function metricsOf(clock: Clock, speed: number): ReplicaMetrics {
  return new ReplicaMetrics({
    model: "tiny",
    cache: { blockTokens: 16, blocks: 1000, maxModelLen: 4096 },
    clock,
    secondsPerMs: speed === 0 ? 0 : 1 / (1000 * speed),
  });
}

function sequence({ prompt = 5, output }: { prompt?: number; output: number }): Sequence {
  return {
    prompt: range(0, prompt),
    output: range(1000, output),
    salt: undefined,
    session: undefined,
    priority: 0,
    finishReason: "length",
    maxTokens: output,
    n: 1,
  };
}

function range(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => from + index);
}

/** The tokens that a sequence got by its end. */
function finished(driver: EngineDriver, wanted: Sequence): Promise<number> {
  return new Promise((resolve) => {
    let tokens = 0;
    driver.start(wanted, {
      onTokens: (count) => {
        tokens = count;
      },
      onFinished: () => resolve(tokens),
      onFailed: () => resolve(-1),
    });
  });
}
